"""The questions of the evaluation phase (App. B.2), and what counts as an answer to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pasta_core.domain import Comparison, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.text import clean

__all__ = [
    "PROMPT_WORDS",
    "SCORES",
    "Question",
    "Topic",
    "answers_of",
    "initial_words",
    "questions_of",
    "read_answer",
]

PROMPT_WORDS = 12
"""The longest initial prompt of a study in words (App. B.1)."""

SCORES = tuple(str(score) for score in range(1, 6))
"""Satisfaction, from very dissatisfied to very satisfied."""

_COMPARISONS = tuple(comparison.value for comparison in Comparison)


class Topic(StrEnum):
    """What a question is about, in the order of App. B.2."""

    PREFERRED = "preferred"
    """The preferred column, once more."""
    COLUMN = "column"
    """The satisfaction with one column, by its best image."""
    RATIONALE = "rationale"
    """Why that column, in one's own words."""
    COMPARISON = "comparison"
    """Better, the same or worse than the turn before; not asked of turn 1."""
    SCORE = "score"
    """The satisfaction with all images of the turn."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one turn; `column` (0-based) is given where it is about one, `columns` is L."""

    turn: int
    topic: Topic
    columns: int
    column: int | None = None

    @property
    def name(self) -> str:
        """Its name among the turn's questions; columns count from 1, as the keys do."""
        return self.topic.value if self.column is None else f"{self.topic.value}-{self.column + 1}"

    @property
    def options(self) -> tuple[str, ...]:
        """The possible answers, in the order of their keys 1, 2, ...; none where text is asked for."""
        match self.topic:
            case Topic.PREFERRED:
                return tuple(str(column + 1) for column in range(self.columns))
            case Topic.COLUMN | Topic.SCORE:
                return SCORES
            case Topic.COMPARISON:
                return _COMPARISONS
            case Topic.RATIONALE:
                return ()

    @property
    def required(self) -> bool:
        """Whether the study cannot end without it; only words may stay unsaid."""
        return self.topic is not Topic.RATIONALE


def initial_words(max_words: int, study: bool) -> int:
    """The longest initial prompt in words; `max_words` is N_w^max."""
    return min(PROMPT_WORDS, max_words) if study else max_words


def questions_of(turns: int, columns: int) -> tuple[Question, ...]:
    """All questions about a session of `turns` turns with `columns` columns, in the order they are asked."""
    return tuple(question for turn in range(1, turns + 1) for question in _of_turn(turn, columns))


def _of_turn(turn: int, columns: int) -> Iterator[Question]:
    yield Question(turn, Topic.PREFERRED, columns)
    for column in range(columns):
        yield Question(turn, Topic.COLUMN, columns, column)
    yield Question(turn, Topic.RATIONALE, columns)
    if turn > 1:
        yield Question(turn, Topic.COMPARISON, columns)
    yield Question(turn, Topic.SCORE, columns)


def read_answer(question: Question, text: str) -> str:
    """What was typed as an answer: a number, or the option's own word; `InvalidInput` for anything else."""
    said = clean(text).text
    options = question.options
    if not options:
        return said
    if said.lower() in options:
        return said.lower()
    if said.isascii() and said.isdecimal() and 1 <= int(said) <= len(options):
        return options[int(said) - 1]
    raise InvalidInput(f"type a number from 1 to {len(options)}")


def answers_of(turn: int, rating: TurnRating) -> dict[Question, str]:
    """The answers that amount to a turn's rating."""
    columns = len(rating.column_scores)
    said = {
        Topic.PREFERRED: str(rating.preferred + 1),
        Topic.RATIONALE: rating.rationale,
        Topic.COMPARISON: "" if rating.comparison is None else rating.comparison.value,
        Topic.SCORE: str(rating.score),
    }
    return {
        question: said[question.topic]
        if question.column is None
        else str(rating.column_scores[question.column])
        for question in _of_turn(turn, columns)
    }
