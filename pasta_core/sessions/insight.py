"""What a session says of itself while it is played: what it believes, and why it shows what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pasta_core.agent.judgement import Judge, Judgement
from pasta_core.agent.selectors import RandomSelector, SelectorName, WriterSelector
from pasta_core.agent.slate_reasons import Intent, SlateReasons, reasons_for
from pasta_core.agent.slates import grouped
from pasta_core.agent.taste_learner import NEVER, TasteLearner, picks_of
from pasta_core.domain import History, Refusal, Selector, Slate, Turn
from pasta_core.errors import InvalidInput, PastaError
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Refused,
    SessionStarted,
    SlateChosen,
    Swapped,
    TurnReady,
)
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.taste import TasteOfSession
from pasta_core.simulation.rollout import Plan
from pasta_core.users.belief import BeliefAccount, account_for
from pasta_core.users.taste import Belief
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import KeptTaste
from pasta_core.users.taste_space import TasteSpace

__all__ = ["Insight", "Told"]

_INTENTS = {RandomSelector.name: Intent.CHANCE, WriterSelector.name: Intent.WRITTEN}
"""What columns are shown for by selectors that judge nothing."""


@dataclass(frozen=True)
class Told:
    """The history that a session's events have told, and the turn after it, as far as it is there.

    `wished` are the columns of `turn` whose prompt the person asked for.
    """

    history: History | None = None
    turn: Turn | None = None
    wished: frozenset[int] = frozenset()

    def after(self, event: Event) -> Told:
        """What is told once this event is, too."""
        match event:
            case SessionStarted():
                return Told()
            case TurnReady(turn=0):
                return Told(History(event.candidates[0].prompt, event.columns[0]))
            case CandidatesReady():
                return Told(self.history, Turn(event.turn, event.candidates, Slate(())))
            case SlateChosen(slate=slate) if self.turn is not None:
                return replace(self, turn=replace(self.turn, slate=slate))
            case TurnReady():
                return replace(self, turn=Turn(event.turn, event.candidates, event.slate, event.columns))
            case Swapped(swap=swap, slate=slate) if self.turn is not None:
                turn = replace(self.turn, slate=slate, columns=())
                return replace(self, turn=turn, wished=self.wished | {swap.column})
            case Chosen(choice=choice) if self.history is not None and self.turn is not None:
                return Told(self.history.extended(replace(self.turn, choice=choice)))
            case Refused(critique=critique) if self.history is not None and self.turn is not None:
                return Told(self.history.refusing(Refusal(self.turn, critique)))
            case _:
                return self

    @property
    def picks(self) -> int:
        """How many answers have been given."""
        return 0 if self.history is None else len(self.history.turns) + len(self.history.refusals)


class Insight:
    """One session's belief and reasons, computed when they are asked for from what its events told.

    Nothing is stored: a slate is explained by judging it once more, from the same seed.
    """

    def __init__(
        self, info: SessionInfo, taste: TasteOfSession, selector: Callable[[TasteLearner | None], Selector]
    ) -> None:
        self._info = info
        self._taste = taste
        self._selector = selector
        self._others: tuple[TasteSpace | None, KeptTaste] | None = None
        self._told: tuple[tuple[Pick, ...], tuple[Belief, ...]] = (), ()
        self.told = Told()

    def take(self, event: Event) -> None:
        """Learn what has happened."""
        self.told = self.told.after(event)

    @property
    def learns(self) -> bool:
        """Whether picks of this session are learned from, by a taste that is kept or by its selector."""
        made_of = self._info.made_of
        return made_of.taste is not None or SelectorName.parse(made_of.selector).learns

    async def belief(self) -> BeliefAccount:
        """What is believed after all answers so far, and what each of them moved.

        Raises `PastaError` where nothing is learned, or where the taste or the images do not allow it.
        """
        if not self.learns:
            raise InvalidInput("this session learns no taste", "one begun without --no-taste does")
        told = self.told
        space, kept = await self._beside()
        own: tuple[Pick, ...] = ()
        if told.history is not None:
            own = await picks_of(told.history, self._taste.texts, "", lambda turn: NEVER)
        known = self._known(own) if space is not None else ()
        account = await asyncio.to_thread(account_for, own, kept, space, self._info.made_of.blind, known)
        self._told = own, account.beliefs
        return account

    async def reasons(self) -> SlateReasons | None:
        """Why the slate at hand is shown, None before there is one.

        Raises `PastaError` where its selector cannot be asked again.
        """
        told, made_of = self.told, self._info.made_of
        if told.history is None or told.turn is None or not told.turn.slate.indices:
            return None
        name = SelectorName.parse(made_of.selector)
        learner = await self._learner(needed=name.learns)
        selector = self._selector(learner)
        number, candidates, slate = told.turn.number, told.turn.candidates, told.turn.slate
        columns = len(slate.indices)
        seed = self._seed(told.history, number)
        judged = opinion = None
        if isinstance(selector, Judge):
            judged = await selector.judge(told.history, candidates, columns, seed)
        else:
            opinion = await _opinion(learner, told.history, told.turn)
            if slate.all_values is not None:
                judged = Judgement(np.array(slate.all_values), values=np.array(slate.all_values))
        reasons = reasons_for(
            number,
            made_of.selector,
            judged,
            candidates,
            slate,
            grouped(candidates, selector.form(columns), columns),
            opinion=opinion,
            without=_INTENTS.get(name.kind),
            wished=told.wished,
        )
        return replace(reasons, blind=made_of.blind)

    def _known(self, own: Sequence[Pick]) -> tuple[Belief, ...]:
        """The beliefs that an earlier account found after the first of these picks."""
        earlier, beliefs = self._told
        same = 0
        for one, other in zip(earlier, own, strict=False):
            if not _alike(one, other):
                break
            same += 1
        return beliefs[: same + 1]

    def _seed(self, history: History, turn: int) -> int:
        made_of = self._info.made_of
        refused = sum(it.turn.number == turn for it in history.refusals)
        plan = Plan(self._info.id, made_of.prompt, made_of.seed, made_of.settings)
        return plan.seed_of(turn, "select", proposal=refused)

    async def _beside(self) -> tuple[TasteSpace | None, KeptTaste]:
        """What the session goes by beside its own picks, read once as when it was opened."""
        if self._others is None:
            self._others = await self._taste.others(self._info)
        return self._others

    async def _learner(self, needed: bool) -> TasteLearner | None:
        """Who judges by taste; None where nothing is learned, or, unless it is `needed`, cannot be."""
        if not self.learns:
            return None
        try:
            return TasteLearner(self._taste.texts, *await self._beside())
        except PastaError:
            if needed:
                raise
            return None


async def _opinion(learner: TasteLearner | None, history: History, turn: Turn) -> Judgement | None:
    """What a taste makes of candidates that others chose from, where it knows anything."""
    if learner is None:
        return None
    try:
        found = await learner.opinion(history, turn.candidates)
    except PastaError:
        return None
    if not found.picks and not np.ptp(found.worth.means):
        return None
    return Judgement(found.worth.means, found.worth.deviations, picks=found.picks)


def _alike(one: Pick, other: Pick) -> bool:
    """Whether two picks of a session teach the same."""
    return (
        (one.key, one.chosen, one.prompts, one.critique)
        == (other.key, other.chosen, other.prompts, other.critique)
        and np.array_equal(one.images, other.images)
        and np.array_equal(one.texts, other.texts)
    )
