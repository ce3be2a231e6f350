"""Persons who come back: one session after another, and the taste that learns from them goes along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner, picks_of
from pasta_core.domain import Selector
from pasta_core.engines.fingerprints import content_digest
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.remembering import RememberingServices
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.filling import (
    Announce,
    EngineStart,
    Report,
    fill_missing,
    name_of_plan,
    shared,
)
from pasta_core.evaluation.persons_store import PersonFolder, PersonRecord, SessionOfPerson, TurnOfPerson
from pasta_core.paths import find_assets
from pasta_core.seeds import derive_seed
from pasta_core.sessions.provenance import versions
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.engine import Case, Played, PromptFor, play
from pasta_core.simulation.users import Population, SimulatedUser
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import HALF_LIFE_DAYS, KeptTaste, TasteRecord
from pasta_core.users.taste_space import TasteSpace
from pasta_core.users.taste_space_files import load_space, space_beside

__all__ = ["AT_ONCE", "Following"]

SelectorAfter = Callable[[Case, KeptTaste], Selector]
"""Makes the selector of a session, given what the person's taste has kept of those before it."""

AT_ONCE = 16
"""Persons under a selector side by side, if nobody says otherwise."""

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
"""When first sessions begin; a person has one a day, which only the half-life sees."""
_TRIES = 100
"""Draws of an initial prompt that the person has not begun with before."""


@dataclass(frozen=True)
class Following:
    """Whom all selectors are measured on, for how many sessions, and below which folder it is kept.

    A person, the prompts of their sessions and all noise are the same under every selector. From session
    `drift` on (from 1) another user, of another type, chooses in the person's place.
    """

    profile: Profile
    settings: SessionSettings
    users: UsersSpec
    prompts: PromptList | None
    persons: int
    sessions: int
    seed: int
    store: Path
    half_life_days: float | None = HALF_LIFE_DAYS
    drift: int | None = None
    at_once: int = AT_ONCE
    """Persons under a selector side by side; no result depends on it."""
    assets: Path = field(default_factory=find_assets)

    def __post_init__(self) -> None:
        if self.drift is not None and not 2 <= self.drift <= self.sessions:
            raise InvalidInput(
                f"a taste cannot change at session {self.drift}", f"choose one from 2 to {self.sessions}"
            )

    def folder(self, selector: SelectorSpec) -> PersonFolder:
        """Where a selector's persons lie; those of equal plans are simulated once."""
        space = space_beside(self.profile.clip.model)
        plan = self._run(selector).plan() | {
            "persons": "one session after another",
            "sessions": self.sessions,
            "half_life_days": self.half_life_days,
            "drift": self.drift,
            "space": None if space is None else content_digest(space),
        }
        path = self.store / f"persons-{selector.name}-{name_of_plan(plan)}"
        return PersonFolder(path, plan, versions())

    async def fill(
        self,
        selectors: Mapping[str, SelectorSpec],
        engine: EngineStart,
        report: Report,
        announce: Announce = lambda lacking: None,
    ) -> Mapping[str, PersonFolder]:
        """Simulate what is missing of every selector; `report` counts the sessions of all of them.

        `announce` gets how many persons that is of each selector, before `engine` is started.

        A person is followed under all selectors at about the same time: what they share, the initial prompt's
        images and first drafts, is made once, and whoever stops has whole persons to compare.
        """
        folders = shared({name: self.folder(spec) for name, spec in selectors.items()})
        places = {folder.path for folder in folders.values()}

        async def follow(missing: Mapping[str, Sequence[int]], running: LocalEngine) -> None:
            running = replace(running, worker=RememberingServices(running.worker))
            walks = {}
            for name in missing:
                prompts = self._run(selectors[name]).prompt_for(running)
                walks[name] = await _Walk.prepared(self, running, selectors[name], prompts)
            persons = sorted({person for numbers in missing.values() for person in numbers})
            lacking = [
                (person, walks[name], folders[name])
                for person in persons
                for name, numbers in missing.items()
                if person in numbers
            ]
            await self._follow(lacking, len(places) * self.persons, report)

        await fill_missing(folders, lambda folder: folder.opened(self.persons), engine, follow, announce)
        return folders

    async def _follow(
        self, lacking: Sequence[tuple[int, _Walk, PersonFolder]], of: int, report: Report
    ) -> None:
        """Follow these persons, so many at a time, each kept as soon as the last session is over."""
        done, total = (of - len(lacking)) * self.sessions, of * self.sessions
        room = asyncio.Semaphore(self.at_once)
        report(done, total)

        def one_more() -> None:
            nonlocal done
            done += 1
            report(done, total)

        async def kept(person: int, walk: _Walk, folder: PersonFolder) -> None:
            async with room:
                record = await walk.person(person, one_more)
            await asyncio.to_thread(folder.write, record)

        tasks = [asyncio.create_task(kept(*one), name=f"person {one[0]}") for one in lacking]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, selector: SelectorSpec) -> SimulationRun:
        return SimulationRun(
            self.profile, self.settings, self.users, selector, self.prompts, self.seed, self.assets
        )


@dataclass(frozen=True)
class _Walk:
    """One selector on its way through persons and sessions."""

    plan: Following
    engine: LocalEngine
    select: SelectorAfter
    prompts: PromptFor
    space: TasteSpace | None

    @classmethod
    async def prepared(
        cls, plan: Following, engine: LocalEngine, selector: SelectorSpec, prompts: PromptFor
    ) -> _Walk:
        file = space_beside(plan.profile.clip.model)
        space = None if file is None else await asyncio.to_thread(load_space, file)
        return cls(plan, engine, await _selecting(engine, selector), prompts, space)

    async def person(self, number: int, session_over: Callable[[], None]) -> PersonRecord:
        """All sessions of a person."""
        plan = self.plan
        seed = derive_seed(plan.seed, "person", number)
        first = self.engine.crew.population.draw(number, seed)
        later = first if plan.drift is None else _another(self.engine.crew.population, number, seed, first)
        taste = TasteRecord(half_life_days=plan.half_life_days)
        sessions: list[SessionOfPerson] = []
        for place in range(plan.sessions):
            own = derive_seed(seed, "session", place)
            user = later if plan.drift is not None and place + 1 >= plan.drift else first
            prompt = self._prompt(own, {session.prompt for session in sessions})
            case = Case(number * plan.sessions + place, own, prompt, user.in_session(own))
            began = _FIRST + timedelta(days=place)
            kept = taste.kept(began)
            played = await play(case, self.select(case, kept), self.engine.crew)
            texts = RememberedTexts(self.engine.worker.embed_texts)
            picks = await picks_of(played.history, texts, f"session {place:04d}", _times(began))
            follower = TasteLearner(texts, self.space, kept)
            chances = await asyncio.to_thread(_chances, follower, picks)
            sessions.append(_told(case, played, chances, self.engine.crew.population))
            taste = taste.with_session(f"session {place:04d}", picks, plan.profile.name)
            session_over()
        return PersonRecord(number, tuple(sessions))

    def _prompt(self, seed: int, used: set[str]) -> str:
        """The initial prompt of a session: a new one, unless there are too few."""
        drawn = (self.prompts(derive_seed(seed, "prompt", number)) for number in range(_TRIES))
        return next((prompt for prompt in drawn if prompt not in used), self.prompts(seed))


async def _selecting(engine: LocalEngine, selector: SelectorSpec) -> SelectorAfter:
    spec = selector.resolved(engine.profile)
    if spec.learns:
        begun = await engine.learning(spec)
        return lambda case, kept: begun(kept)
    forgetful = await engine.selector(spec)
    return lambda case, kept: forgetful(case)


def _another(population: Population, number: int, seed: int, first: SimulatedUser) -> SimulatedUser:
    """A user of another type; `InvalidInput` where all are of one."""
    drawn = (population.draw(number, derive_seed(seed, "drift", again)) for again in range(_TRIES))
    for user in drawn:
        if user.type != first.type:
            return user
    raise InvalidInput("all users are of one type, whose taste cannot change", "leave --drift out")


def _times(began: datetime) -> Callable[[int], datetime]:
    return lambda turn: began + timedelta(minutes=turn)


def _chances(follower: TasteLearner, picks: Sequence[Pick]) -> dict[int, tuple[float, ...]]:
    """What the taste gave to the columns of each turn's pick before it was made."""
    return {
        pick.turn: tuple(map(float, follower.chances(picks[:place], pick)))
        for place, pick in enumerate(picks)
    }


def _told(
    case: Case, played: Played, chances: Mapping[int, tuple[float, ...]], population: Population
) -> SessionOfPerson:
    turns = []
    for turn, judgement in zip(played.history.turns, played.judgements, strict=True):
        chosen = judgement.choice.column
        turns.append(
            TurnOfPerson(
                prompts=tuple(candidate.prompt for candidate in turn.shown),
                chosen=chosen,
                utilities=judgement.utilities,
                reward=population.scale.reward(judgement.utilities[chosen]),
                values=turn.slate.values,
                chances=chances.get(turn.number, (1.0,) * len(turn.columns)),
            )
        )
    return SessionOfPerson(case.user.spec, case.prompt, case.seed, tuple(turns))
