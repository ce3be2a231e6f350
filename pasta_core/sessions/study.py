"""The evaluation phase of a session (App. B.2): each answer is durable before the next question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from pasta_core.domain import History, Image, Turn, TurnRating, User
from pasta_core.events import Event, Rated
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.store import Store
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.questions import answers_of

__all__ = ["Assessor", "Study", "StudyUser"]


class Assessor(Protocol):
    """A rater who answers without being asked one question at a time."""

    async def rate(self, history: History, turn: Turn, before: Sequence[Image]) -> TurnRating:
        """Answer all questions about a turn; `before` are the images of the column preferred before it."""
        ...


class StudyUser(User, Assessor, Protocol):
    """A rater that plays the session and answers the questions about it."""


class Study:
    """The questions about one session; its methods write in a thread and may be called from a loop only."""

    def __init__(self, store: Store, info: SessionInfo) -> None:
        self._store = store
        self._session = info.id
        self._settings = info.made_of.settings

    async def ended(self) -> bool:
        """Whether the rater has ended the task."""
        return (await asyncio.to_thread(self._store.get, self._session)).rated_at is not None

    async def load(self) -> Evaluation:
        """Where the rater stands: at the first question that has no answer yet."""
        given = await asyncio.to_thread(self._store.answers, self._session)
        empty = Evaluation.begin(self._settings.turns, self._settings.columns)
        known = {q: given[q.turn, q.name] for q in empty.questions if (q.turn, q.name) in given}
        return Evaluation.begin(self._settings.turns, self._settings.columns, known)

    async def answer(self, evaluation: Evaluation, text: str) -> Evaluation:
        """Answer the question that is asked; `InvalidInput` for what is no answer to it."""
        question, later = evaluation.question, evaluation.answered(text)
        assert question is not None
        said = {question.name: later.answers[question]}
        await asyncio.to_thread(self._store.save_answers, self._session, question.turn, said)
        return later

    async def end(self, evaluation: Evaluation, emit: Callable[[Event], None]) -> None:
        """End the task: the answers become the turns' ratings; `InvalidInput` while some are missing."""
        ratings = evaluation.ratings()
        await asyncio.to_thread(self._store.end_study, self._session, ratings)
        for turn, rating in ratings.items():
            emit(Rated(self._session, turn, rating))

    async def tell(self, emit: Callable[[Event], None]) -> None:
        """Tell the ratings of a task that has ended."""
        turns = await asyncio.to_thread(self._store.turns, self._session)
        for turn in turns:
            if turn.rating is not None:
                emit(Rated(self._session, turn.number, turn.rating, replayed=True))

    async def assess(self, history: History, assessor: Assessor, emit: Callable[[Event], None]) -> None:
        """Let an assessor answer all that is open, turn by turn, and end the task.

        May be cancelled, and run again: a turn that was answered is not asked again. Raises what the assessor
        raises.
        """
        evaluation = await self.load()
        before: Sequence[Image] = ()
        for turn in history.turns:
            if any(q.turn == turn.number for q in evaluation.questions if q not in evaluation.answers):
                rating = await assessor.rate(history, turn, before)
                said = answers_of(turn.number, rating)
                named = {question.name: text for question, text in said.items()}
                await asyncio.to_thread(self._store.save_answers, self._session, turn.number, named)
                evaluation = await self.load()
            before = turn.columns[evaluation.preferred(turn.number) or 0]
        await self.end(evaluation, emit)
