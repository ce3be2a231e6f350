"""What a session says of itself while it is played: from its events alone, and the same after a resume."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.selectors import make_selector
from pasta_core.agent.slate_reasons import Intent
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner, picks_of
from pasta_core.domain import Candidate, Embedding, History, Selector, Slate, User
from pasta_core.errors import InvalidInput
from pasta_core.events import Chosen, Event, SessionStarted, SlateChosen, Swapped
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.sessions.insight import Insight
from pasta_core.sessions.records import NewSession, SessionInfo
from pasta_core.sessions.session import Session, begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.sessions.taste import TasteOfSession
from pasta_core.settings import SessionSettings
from pasta_core.users.belief import BeliefAccount, account_for
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import NO_TASTE
from pasta_core.users.taste_shelf import DEFAULT, TasteShelf
from tests.support.rollouts import BrightnessUser, FussyUser, paint_one, small_services

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SETTINGS = SessionSettings(turns=3, columns=3, images=2)


async def embed(texts: Sequence[str]) -> Embedding:
    return np.stack([paint_one(text, 0).embedding for text in texts])  # type: ignore[misc]


class LengthValuer:
    """Finds later digits worth more."""

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        return [float(sum(map(ord, candidate.prompt)) % 97) for candidate in candidates]


class House:
    """A data directory, and the sessions that are played in it."""

    def __init__(self, folder: Path) -> None:
        micro = load_profile("micro", locate({}))
        profile = replace(micro, clip=replace(micro.clip, model=folder / "elsewhere"))
        self.store = Store(folder)
        self.taste = TasteOfSession(TasteShelf(folder), profile, RememberedTexts(embed))
        self.reasons: list[object] = []

    def insight(self, info: SessionInfo) -> Insight:
        def selector(learner: TasteLearner | None) -> Selector:
            return make_selector(info.made_of.selector, SETTINGS.form, lambda model: LengthValuer(), learner)

        return Insight(info, self.taste, selector)

    def begin(self, selector: str, taste: str | None = DEFAULT, blind: bool = False) -> Session:
        new = NewSession("a cat", 1, "micro", selector, settings=SETTINGS, taste=taste, blind=blind)
        return begin_session(self.store, new)

    def play(self, session: Session, ask: bool = False, user: User | None = None) -> tuple[Insight, History]:
        """Play a session to its end; with `ask` every slate is explained as soon as it is chosen."""
        insight = self.insight(session.info)

        async def run() -> History:
            learner = await self.taste.learner(session.info)
            selector = make_selector(
                session.info.made_of.selector, SETTINGS.form, lambda model: LengthValuer(), learner
            )
            services = replace(small_services(), selector=selector, user=user or BrightnessUser())
            asked: list[asyncio.Task[None]] = []

            def emit(event: Event) -> None:
                insight.take(event)
                if ask and isinstance(event, SlateChosen | Swapped):
                    asked.append(asyncio.create_task(self._explain(insight, event.slate)))

            history = await session.run(services, emit, self.taste)
            await asyncio.gather(*asked)
            return history

        with session:
            return insight, asyncio.run(run())

    async def _explain(self, insight: Insight, slate: Slate) -> None:
        found = await insight.reasons()
        assert found is not None
        self.reasons.append((slate, found))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize("selector", ["random", "taste:1", "value"])
def test_a_belief_is_that_of_the_picks_whatever_selects(house: House, selector: str) -> None:
    insight, history = house.play(house.begin(selector))
    account = asyncio.run(insight.belief())
    own = asyncio.run(picks_of(history, house.taste.texts, "", lambda turn: datetime.now(UTC)))
    assert account == account_for(own)
    assert [step.chosen for step in account.steps] == [
        (turn.choice.column,) for turn in history.turns if turn.choice
    ]


def test_asking_after_every_choice_ends_at_the_same(house: House) -> None:
    world = [paint_one(f"{n}", n).embedding for n in range(40)]
    slates = [
        Pick(f"s{n}", 1, NOW, tuple("abcd"), np.stack(world[n : n + 4]), np.stack(world[n + 4 : n + 8]), (0,))
        for n in range(30)  # type: ignore[arg-type]
    ]
    space = fit_space("", slates, SpacePlan(image_rank=3, text_rank=2))
    insight = house.insight(house.begin("random").info)
    insight._others = space, NO_TASTE
    session = house.begin("random")
    told: list[Event] = []
    with session:
        history = asyncio.run(session.run(small_services(), told.append))

    async def follow() -> list[BeliefAccount]:
        accounts = []
        for event in (*told, *told[:4]):
            insight.take(event)
            if isinstance(event, Chosen | SessionStarted):
                accounts.append(await insight.belief())
        return accounts

    *accounts, again = asyncio.run(follow())
    own = asyncio.run(picks_of(history, house.taste.texts, "", lambda turn: NOW))
    assert accounts == [account_for(own[:n], space=space) for n in range(len(own) + 1)]
    assert again == accounts[0]


def test_a_resumed_session_says_the_same(house: House) -> None:
    session = house.begin("taste:1")
    insight, _ = house.play(session)
    again, _ = house.play(resume_session(house.store, session.id))
    assert asyncio.run(again.belief()) == asyncio.run(insight.belief())


def test_picks_of_earlier_sessions_are_told_apart(house: House) -> None:
    house.play(house.begin("random"))
    insight, _ = house.play(house.begin("random"))
    account = asyncio.run(insight.belief())
    assert (account.kept, len(account.steps)) == (3, 3)


@pytest.mark.parametrize("selector", ["taste:0", "taste:1", "taste+value:somewhere"])
def test_judging_a_slate_once_more_gives_its_values(house: House, selector: str) -> None:
    house.play(house.begin("random"))
    house.play(house.begin(selector), ask=True)
    assert len(house.reasons) == 3
    intents = set()
    for slate, found in house.reasons:  # type: ignore[misc]
        assert found.current
        assert [it.candidate.prompt for it in found.columns] and len(found.columns) == 3
        intents |= {it.intent for it in found.columns}
        assert all(it.utility is not None and it.spread is not None for it in found.columns)
        assert (found.columns[0].value is not None) == selector.startswith("taste+value")
        if not selector.startswith("taste+value"):
            assert [it.utility for it in found.columns] == pytest.approx(slate.values)
    assert intents <= {Intent.PLEASE, Intent.LEARN}
    assert selector != "taste:0" or intents == {Intent.PLEASE}


def test_refused_slates_are_steps_and_what_was_put_in_is_a_wish(house: House) -> None:
    session = house.begin("taste:1")
    insight, history = house.play(session, ask=True, user=FussyUser())
    account = asyncio.run(insight.belief())
    assert [(step.turn, len(step.chosen)) for step in account.steps] == [
        *((1, 0), (1, 1)),
        *((2, 0), (2, 0), (2, 1)),
        (3, 1),
    ]
    assert len(history.refusals) == 3
    wishes = [
        [it.intent is Intent.WISH for it in found.columns]
        for _, found in house.reasons  # type: ignore[misc]
    ]
    assert [True, False, False] in wishes
    assert all(found.current for _, found in house.reasons)  # type: ignore[misc]
    again, _ = house.play(resume_session(house.store, session.id))
    assert asyncio.run(again.belief()) == account


def test_a_random_slate_is_chance_with_what_the_taste_thinks_of_it(house: House) -> None:
    house.play(house.begin("random"), ask=True)
    first, *later = (found for _, found in house.reasons)  # type: ignore[misc]
    assert {it.intent for it in first.columns} == {Intent.CHANCE}
    assert {it.utility for it in first.columns} == {None}
    assert all(it.utility is not None for found in later for it in found.columns)


def test_the_writer_baseline_is_as_written(house: House) -> None:
    house.play(house.begin("writer"), ask=True)
    for _, found in house.reasons:  # type: ignore[misc]
        assert {it.intent for it in found.columns} == {Intent.WRITTEN}
        assert found.candidates == 3


def test_a_value_model_pleases_and_softmax_also_learns(house: House) -> None:
    house.play(house.begin("value"), ask=True)
    for slate, found in house.reasons:  # type: ignore[misc]
        assert {it.intent for it in found.columns} == {Intent.PLEASE}
        assert [it.value for it in found.columns] == pytest.approx(slate.values)


def test_a_session_without_a_taste_believes_nothing_unless_it_selects_by_it(house: House) -> None:
    insight, _ = house.play(house.begin("random", taste=None), ask=True)
    assert not insight.learns
    with pytest.raises(InvalidInput):
        asyncio.run(insight.belief())
    assert {it.utility for _, found in house.reasons for it in found.columns} == {None}  # type: ignore[misc]
    own, _ = house.play(house.begin("taste:1", taste=None))
    assert len(asyncio.run(own.belief()).steps) == 3


def test_a_blind_session_names_no_prompt_and_no_category(house: House) -> None:
    insight, _ = house.play(house.begin("random", blind=True), ask=True)
    account = asyncio.run(insight.belief())
    assert account.blind and len(account.steps) == 3
    assert not any(step.shifts for step in account.steps)
    assert house.reasons and all(found.blind for _, found in house.reasons)  # type: ignore[misc]


def test_there_are_no_reasons_before_there_is_a_slate(house: House) -> None:
    with house.begin("random") as session:
        assert asyncio.run(house.insight(session.info).reasons()) is None
