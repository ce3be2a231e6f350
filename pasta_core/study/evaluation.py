"""The evaluation phase as frozen data: which question is asked, what has been answered, and going back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from pasta_core.domain import Comparison, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.study.questions import Question, Topic, questions_of, read_answer

__all__ = ["Evaluation"]


@dataclass(frozen=True)
class Evaluation:
    """Where a rater stands: `at` is the place of the question that is asked, behind the last one the end.

    Every step returns another evaluation. An answer may be given again; the later one counts.
    """

    questions: tuple[Question, ...]
    answers: Mapping[Question, str] = field(default_factory=dict)
    at: int = 0

    @classmethod
    def begin(cls, turns: int, columns: int, answers: Mapping[Question, str] | None = None) -> Self:
        """Begin, or go on behind the `answers` that were given before, at the first question without one."""
        return cls(questions_of(turns, columns), answers or {}).to_unanswered()

    @property
    def question(self) -> Question | None:
        """The question that is asked; None at the end."""
        return self.questions[self.at] if self.at < len(self.questions) else None

    @property
    def answer(self) -> str | None:
        """What was answered to it before."""
        return None if self.question is None else self.answers.get(self.question)

    @property
    def missing(self) -> tuple[Question, ...]:
        """The questions that must be answered before the study can end."""
        return tuple(q for q in self.questions if q.required and q not in self.answers)

    def answered(self, text: str) -> Self:
        """The next question, this one answered; `InvalidInput` for what is no answer to it.

        Who fills a gap between answered questions is led to the next gap, or to the end.
        """
        if self.question is None:
            raise InvalidInput("there is no question left")
        said = read_answer(self.question, text)
        later = replace(self, answers={**self.answers, self.question: said}, at=self.at + 1)
        gap = self.answer is None and later.answer is not None
        return later.to_missing() if gap else later

    def skipped(self) -> Self:
        """The next question, whether or not this one is answered; the end stays the end."""
        return replace(self, at=min(self.at + 1, len(self.questions)))

    def back(self) -> Self:
        """The question before; the first one stays the first."""
        return replace(self, at=max(self.at - 1, 0))

    def to_unanswered(self) -> Self:
        """The first question without an answer, else the end."""
        places = (place for place, question in enumerate(self.questions) if question not in self.answers)
        return replace(self, at=next(places, len(self.questions)))

    def to_missing(self) -> Self:
        """The first question that must be answered and is not, else the end."""
        places = (place for place, question in enumerate(self.questions) if question in self.missing)
        return replace(self, at=next(places, len(self.questions)))

    def place(self) -> tuple[int, int]:
        """Which question of its turn is asked, from 1, and how many the turn has; (0, 0) at the end."""
        if self.question is None:
            return 0, 0
        turn = [question for question in self.questions if question.turn == self.question.turn]
        return turn.index(self.question) + 1, len(turn)

    def preferred(self, turn: int) -> int | None:
        """The column (0-based) that was reconfirmed for a turn; None where it is not answered yet."""
        said = self._said(turn, Topic.PREFERRED)
        return None if said is None else int(said) - 1

    def ratings(self) -> dict[int, TurnRating]:
        """What the answers amount to, by turn; `InvalidInput` while some are missing."""
        if self.missing:
            raise InvalidInput(f"{len(self.missing)} questions are not answered yet", "answer them first")
        return {turn: self._rating(turn) for turn in sorted({q.turn for q in self.questions})}

    def _rating(self, turn: int) -> TurnRating:
        comparison = self._said(turn, Topic.COMPARISON)
        return TurnRating(
            preferred=int(self._said(turn, Topic.PREFERRED) or 0) - 1,
            column_scores=tuple(
                int(self.answers[q]) for q in self.questions if (q.turn, q.topic) == (turn, Topic.COLUMN)
            ),
            score=int(self._said(turn, Topic.SCORE) or 0),
            comparison=None if comparison is None else Comparison(comparison),
            rationale=self._said(turn, Topic.RATIONALE) or "",
        )

    def _said(self, turn: int, topic: Topic) -> str | None:
        return next((self.answers.get(q) for q in self.questions if (q.turn, q.topic) == (turn, topic)), None)
