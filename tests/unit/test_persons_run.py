"""Persons who come back: their prompts, their users, the taste that goes along, and what a stop leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.domain import Embedding
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.persons_run import Following
from pasta_core.evaluation.persons_store import PersonFolder, SessionOfPerson
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import SessionSettings
from tests.support.rollouts import paint_one
from tests.support.simulated import small_crew

SHAPE = SessionSettings(turns=2, columns=3, images=1)
PROMPTS = PromptList(tuple(f"idea {number}" for number in range(5)), 0)
TASTE = {"taste": SelectorSpec("taste:0")}


class Texts:
    """The services of an engine, as far as a taste needs them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        self.asked += texts
        return np.stack([paint_one(text, 0).embedding for text in texts])  # type: ignore[misc]


def walk(store: Path, **changes: object) -> Following:
    profile = load_profile("micro", locate({}))
    # small models paint embeddings of their own, which the shipped space says nothing of
    profile = replace(profile, clip=replace(profile.clip, model=store / "no clip"))
    plan = Following(profile, SHAPE, UsersSpec(None, "train"), PROMPTS, 2, 3, 7, store)
    return replace(plan, **changes)  # type: ignore[arg-type]


def followed(
    plan: Following,
    selectors: Mapping[str, SelectorSpec] = TASTE,
    stop_after: int | None = None,
    services: Texts | None = None,
    announced: list[Mapping[str, int]] | None = None,
) -> Mapping[str, PersonFolder]:
    """Run it on small models; stop as Ctrl-C does once so many sessions are over, and note what is told."""
    services = Texts() if services is None else services
    told = [] if announced is None else announced

    @asynccontextmanager
    async def engine() -> AsyncIterator[LocalEngine]:
        assert told, "the amount is told before a model is started"
        crew = small_crew(4, SHAPE)
        yield LocalEngine(crew, crew.painter, Path(), services, plan.profile)  # type: ignore[arg-type]

    async def run() -> Mapping[str, PersonFolder]:
        task = asyncio.current_task()

        def report(done: int, total: int) -> None:
            plans = {plan.folder(spec).path for spec in selectors.values()}
            assert total == len(plans) * plan.persons * plan.sessions
            if stop_after is not None and done >= stop_after and task is not None:
                task.cancel()

        return await plan.fill(selectors, engine, report, told.append)

    return asyncio.run(run())


def sessions(plan: Following, folder: PersonFolder) -> list[SessionOfPerson]:
    return [session for person in folder.read(plan.persons) for session in person.sessions]


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in sorted(store.rglob("person-*.json"))}


def test_everyone_comes_back_with_a_new_prompt_and_is_the_same_under_every_selector(tmp_path: Path) -> None:
    plan = walk(tmp_path)
    folders = followed(plan, {"random": SelectorSpec("random"), **TASTE})
    random, taste = (sessions(plan, folder) for folder in folders.values())
    assert [(s.user, s.prompt, s.seed) for s in random] == [(s.user, s.prompt, s.seed) for s in taste]
    assert len({s.seed for s in random}) == 6
    for person in (random[:3], random[3:]):
        assert len({s.prompt for s in person}) == 3 and len({s.user for s in person}) == 1
    assert all(len(s.turns) == 2 and len(s.turns[0].utilities) == 3 for s in random)
    for turn in (turn for s in random for turn in s.turns):
        assert turn.values is None and sum(turn.chances) == pytest.approx(1.0)


def test_a_taste_goes_along_and_a_half_life_tells(tmp_path: Path) -> None:
    plan = walk(tmp_path)
    told = sessions(plan, followed(plan)["taste"])
    first, later = told[0], told[1]
    assert not any(first.turns[0].values or ()), "nothing is known of a new person"
    assert len(set(first.turns[0].chances)) == 1
    assert any(later.turns[0].values or ()), "before the second session there are picks"
    assert len(set(later.turns[0].chances)) > 1
    short = walk(tmp_path, half_life_days=0.2)
    other = sessions(short, followed(short)["taste"])
    assert other[0] == first
    assert other[1].turns[0].chances != later.turns[0].chances


def test_it_ends_at_the_same_however_often_it_was_stopped_and_whatever_runs_beside(tmp_path: Path) -> None:
    whole = walk(tmp_path / "whole", at_once=1)
    followed(whole)
    expected = contents(tmp_path / "whole")
    stopped = walk(tmp_path / "stopped", at_once=1)
    with pytest.raises(asyncio.CancelledError):
        followed(stopped, stop_after=4)
    assert 0 < len(contents(tmp_path / "stopped")) < len(expected)
    followed(replace(stopped, at_once=8))
    names = {Path(name).name: data for name, data in contents(tmp_path / "stopped").items()}
    assert names == {Path(name).name: data for name, data in expected.items()}
    more = replace(whole, persons=3)
    assert [s.prompt for s in sessions(more, followed(more)["taste"])][:6] == [
        s.prompt for s in sessions(whole, whole.folder(TASTE["taste"]))
    ]


def test_whoever_stops_has_the_same_persons_under_every_selector(tmp_path: Path) -> None:
    plan = walk(tmp_path, at_once=1)
    selectors = {"random": SelectorSpec("random"), **TASTE}
    with pytest.raises(asyncio.CancelledError):
        followed(plan, selectors, stop_after=7)
    kept = sorted(Path(name).name for name in contents(tmp_path))
    assert kept == ["person-00000.json"] * 2
    alone = walk(tmp_path / "alone")
    for name, spec in selectors.items():
        followed(alone, {name: spec})
    followed(plan, selectors)
    assert contents(tmp_path / "alone") == {
        name: data for name, data in contents(tmp_path).items() if not name.startswith("alone/")
    }


def test_no_text_is_embedded_twice_whoever_looks_at_it(tmp_path: Path) -> None:
    services = Texts()
    followed(walk(tmp_path, at_once=1), {"random": SelectorSpec("random"), **TASTE}, services=services)
    assert len(services.asked) == len(set(services.asked)) > 300


def test_two_names_of_one_plan_are_followed_once(tmp_path: Path) -> None:
    plan = walk(tmp_path)
    twice = followed(plan, {**TASTE, "random": SelectorSpec("random"), "taste:0": TASTE["taste"]})
    assert list(twice) == ["taste", "random", "taste:0"]
    assert twice["taste"] is twice["taste:0"]
    assert len(contents(tmp_path)) == 2 * plan.persons
    assert len(sessions(plan, twice["taste:0"])) == plan.persons * plan.sessions


def test_the_amount_is_told_before_a_model_is_started_and_where_nothing_lacks_not_at_all(
    tmp_path: Path,
) -> None:
    plan, random = walk(tmp_path), {"random": SelectorSpec("random")}
    told: list[Mapping[str, int]] = []
    followed(replace(plan, persons=1), random)
    followed(plan, {**random, **TASTE}, announced=told)
    assert told == [{"random": 1, "taste": 2}]
    followed(plan, {**random, **TASTE}, announced=told)
    assert len(told) == 1


def test_a_taste_changes_from_the_session_that_was_named(tmp_path: Path) -> None:
    steady, drifting = walk(tmp_path), walk(tmp_path, drift=2)
    same = sessions(steady, followed(steady)["taste"])
    found = sessions(drifting, followed(drifting)["taste"])
    for person in (found[:3], found[3:]):
        kinds = [s.user.rpartition(":")[2] for s in person]
        assert kinds[0] != kinds[1] == kinds[2]
    assert found[0] == same[0] and [s.prompt for s in found] == [s.prompt for s in same]
    for session in (1, 4):
        with pytest.raises(InvalidInput, match="cannot change"):
            walk(tmp_path, drift=session)
