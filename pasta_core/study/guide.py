"""What raters read: the instructions (App. B.1, Fig. 8) and the wording of the questions (App. B.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pasta_core.domain import Comparison
from pasta_core.errors import ModelUnavailable
from pasta_core.settings import SessionSettings
from pasta_core.study.questions import SCORES, Question, Topic, initial_words, questions_of

__all__ = ["Guide", "load_guide"]


@dataclass(frozen=True)
class Guide:
    """The texts of `study/guide.toml` for a session of one shape; paragraphs are one string each."""

    words: int
    """The longest initial prompt."""
    title: str
    task: tuple[str, ...]
    choosing: tuple[str, ...]
    figure: str
    figure_caption: str
    critique: tuple[str, ...]
    prompt: tuple[str, ...]
    evaluation: tuple[str, ...]
    questions: Mapping[str, str]
    answers: Mapping[str, tuple[str, ...]]

    def ask(self, question: Question, chosen: int, preferred: int) -> str:
        """The question in words; `chosen` and `preferred` are the turn's columns, 0-based."""
        return self.questions[question.topic.value].format(
            turn=question.turn,
            before=question.turn - 1,
            column=None if question.column is None else question.column + 1,
            chosen=chosen + 1,
            preferred=preferred + 1,
        )

    def options(self, question: Question) -> tuple[str, ...]:
        """The possible answers in words, in the order of their keys 1, 2, ...; none where text is asked."""
        match question.topic:
            case Topic.PREFERRED:
                return tuple(f"column {number}" for number in question.options)
            case Topic.COLUMN | Topic.SCORE:
                return self.answers["scores"]
            case Topic.COMPARISON:
                return self.answers["comparisons"]
            case Topic.RATIONALE:
                return ()


def load_guide(assets: Path, settings: SessionSettings) -> Guide:
    """Read `study/guide.toml` below the assets; `ModelUnavailable` where it is missing or damaged."""
    import tomllib

    path = assets / "study" / "guide.toml"
    try:
        return _guide(tomllib.loads(path.read_text(encoding="utf-8")), settings)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ModelUnavailable(
            f"the study's guide {path} is missing or damaged ({error})", "reinstall pasta"
        ) from error


def _guide(table: Mapping[str, Any], settings: SessionSettings) -> Guide:
    numbers = {
        "turns": settings.turns,
        "columns": settings.columns,
        "images": settings.images,
        "pictures": settings.columns * settings.images,
        "words": initial_words(settings.max_words, study=True),
    }

    def filled(value: object) -> Any:
        if isinstance(value, str):
            return value.format(**numbers)
        if isinstance(value, Sequence):
            return tuple(filled(part) for part in value)
        raise ValueError(f"{value!r} is no text")

    answers = {name: tuple(map(str, table["answers"][name])) for name in ("scores", "comparisons")}
    if (len(answers["scores"]), len(answers["comparisons"])) != (len(SCORES), len(Comparison)):
        raise ValueError("it does not name every answer")
    told = {one.name: filled(table[one.name]) for one in fields(Guide) if one.name not in _PLAIN}
    told["figure"] = told["figure"].strip("\n")
    questions = {topic.value: str(table["questions"][topic.value]) for topic in Topic}
    guide = Guide(**told, words=numbers["words"], questions=questions, answers=answers)
    for question in questions_of(2, settings.columns):
        # a placeholder that nobody fills is found now, not in the middle of a study
        guide.ask(question, 0, 0)
    return guide


_PLAIN = ("words", "questions", "answers")
