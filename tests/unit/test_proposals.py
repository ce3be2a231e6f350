"""Slates that are refused or changed: what is asked, kept and told, and that any prefix ends the same."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.budget import word_budget
from pasta_core.domain import Answer, Candidate, Choice, History, NoneOfThese, Slate, Swap, Turn
from pasta_core.errors import InvalidInput
from pasta_core.events import Chosen, Event, ImageReady, Refused, SlateChosen, Swapped, TurnReady
from pasta_core.seeds import derive_seed
from pasta_core.sessions import schema
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder, TurnState
from pasta_core.simulation.rollout import Plan, Services, rollout
from tests.support.rollouts import FussyUser, NoisePainter, WordWriter, small_services

SETTINGS = SessionSettings(turns=3, columns=3, images=2)
PLAN = Plan("s", "a red train in the snow", 11, SETTINGS)
NEW = NewSession("a red train", 5, "micro", "drawn", settings=SETTINGS)


class Scripted:
    """Says what it was given, one answer after another."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = iter(answers)
        self.seen: list[tuple[History, Turn]] = []

    async def choose(self, history: History, turn: Turn) -> Answer:
        self.seen.append((history, turn))
        return next(self._answers)


def fussy() -> Services:
    return replace(small_services(), user=FussyUser())


def run(
    services: Services, recorder: MemoryRecorder | None = None, plan: Plan = PLAN
) -> tuple[History, list[Event], MemoryRecorder]:
    recorder = recorder or MemoryRecorder()
    events: list[Event] = []
    return asyncio.run(rollout(plan, services, recorder, events.append)), events, recorder


def one_turn(*answers: Answer) -> tuple[History, list[Event], Scripted, NoisePainter, WordWriter]:
    user, painter, writer = Scripted(*answers), NoisePainter(), WordWriter()
    services = replace(small_services(), user=user, painter=painter, writer=writer)
    plan = replace(PLAN, settings=replace(SETTINGS, turns=1))
    history, events, _ = run(services, plan=plan)
    return history, events, user, painter, writer


def hashes(turn: Turn) -> list[list[str]]:
    return [[image.sha256 for image in column] for column in turn.columns]


def identity(history: History) -> object:
    """All of a history and of what was refused on the way, with images by their hash."""
    refusals = [
        (it.turn.number, it.turn.candidates, it.turn.slate, hashes(it.turn), it.critique)
        for it in history.refusals
    ]
    turns = [(it.number, it.candidates, it.slate, hashes(it), it.choice) for it in history.turns]
    return history.initial_prompt, refusals, turns


def test_a_refused_turn_is_proposed_again_with_seeds_of_its_own() -> None:
    history, events, user, _, writer = one_turn(NoneOfThese("warmer"), NoneOfThese(), Choice(1))
    assert [turn.number for turn in history.turns] == [1]
    first, second = (refusal.turn for refusal in history.refusals)
    assert [refusal.critique for refusal in history.refusals] == ["warmer", ""]
    last = history.turns[0]
    assert first.choice is None
    prompts = [{it.prompt for it in turn.candidates} for turn in (first, second, last)]
    assert not prompts[0] & prompts[1] and not prompts[1] & prompts[2] and not prompts[0] & prompts[2]
    budget = word_budget(6, 1, 1, 62)
    assert writer.asked == [
        (budget, derive_seed(11, "turn", 1, "write")),
        (budget, derive_seed(11, "turn", 1, "write", 1)),
        (budget, derive_seed(11, "turn", 1, "write", 2)),
    ]
    seeds = [image.seed for turn in (first, second, last) for column in turn.columns for image in column]
    assert len(set(seeds)) == len(seeds) == 18
    assert [(e.turn, e.proposal, e.critique) for e in events if isinstance(e, Refused)] == [
        (1, 0, "warmer"),
        (1, 1, ""),
    ]
    assert [e.proposal for e in events if isinstance(e, TurnReady) and e.turn] == [0, 1, 2]
    assert [len(history.refusals) for history, _ in user.seen] == [0, 1, 2]


def test_the_writers_history_knows_no_refusals() -> None:
    history, _, _, _, _ = one_turn(NoneOfThese(), Choice(0))
    assert len(history.turns) == len(history.path) == 1
    assert history.current_prompt == history.path[0]


def unshown(slate: Slate) -> Iterable[int]:
    return (candidate for candidate in range(25) if candidate not in slate.indices)


def drawn_slate() -> Slate:
    """The slate that the first proposal of turn 1 shows."""
    history, *_ = one_turn(Choice(0))
    return history.turns[0].slate


def test_a_swap_paints_one_column_and_leaves_the_others() -> None:
    before, *_ = one_turn(Choice(2))
    wished = next(iter(unshown(drawn_slate())))
    history, events, user, painter, _ = one_turn(Swap(1, wished), Choice(2))
    (_, first), (_, second) = user.seen
    assert hashes(first) == hashes(before.turns[0])
    assert second.slate.indices == (first.slate.indices[0], wished, first.slate.indices[2])
    assert hashes(second)[0] == hashes(first)[0] and hashes(second)[2] == hashes(first)[2]
    assert not set(hashes(second)[1]) & {it for column in hashes(first) for it in column}
    assert [image.seed for image in second.columns[1]] == [
        derive_seed(11, "turn", 1, "candidate", wished, index) for index in (0, 1)
    ]
    assert [len(row) for _, rows in painter.asked for row in rows] == [2, 2, 2, 2, 2]
    assert history.turns[0].slate == second.slate and history.turns[0].choice == Choice(2)
    told = [type(e) for e in events if isinstance(e, SlateChosen | Swapped | TurnReady | Chosen)]
    assert told == [TurnReady, SlateChosen, TurnReady, Swapped, TurnReady, Chosen]


def test_what_is_swapped_back_shows_the_images_that_it_had() -> None:
    slate = drawn_slate()
    wished, other = list(unshown(slate))[:2]
    _, _, user, painter, _ = one_turn(
        Swap(1, wished), Swap(1, slate.indices[1]), Swap(0, wished), Swap(2, other), Choice(0)
    )
    turns = [turn for _, turn in user.seen]
    assert hashes(turns[2]) == hashes(turns[0])
    assert hashes(turns[3])[0] == hashes(turns[1])[1]
    assert len(painter.asked) == 4, "turn 0, the slate, and two candidates"


def test_a_swapped_slate_has_the_value_of_what_it_shows() -> None:
    assert Slate((3, 8), (0.3, 0.8)).swapped(Swap(0, 5)) == Slate((5, 8), None)
    known = tuple(range(10))
    assert Slate((3, 8), (3, 8), known).swapped(Swap(1, 5)) == Slate((3, 5), (3, 5), known)


@pytest.mark.parametrize("answer", [Swap(3, 0), Swap(-1, 0), Swap(0, 25), Swap(0, -1)])
def test_a_swap_of_what_is_not_there_is_refused(answer: Swap) -> None:
    with pytest.raises(InvalidInput):
        one_turn(answer)


def test_what_is_shown_already_is_not_swapped_in() -> None:
    shown = drawn_slate().indices[2]
    with pytest.raises(InvalidInput, match="shown already, as column 3"):
        one_turn(Swap(0, shown))


def parts(turn: TurnState) -> list[TurnState]:
    """What a killed run may have left of a turn: whole proposals, then part of one."""
    found: list[TurnState] = []
    for done, proposal in enumerate(turn.proposals):
        refused = turn.refused[:done]
        bare = replace(proposal, images={}, swaps=(), refusal=None, choice=None, refused=refused)
        if turn.number:
            found += [TurnState(turn.number, refused=refused), replace(bare, slate=None), bare]
        images = sorted(proposal.images.items())
        swapped = [bare, *(replace(bare, swaps=proposal.swaps[: n + 1]) for n in range(len(proposal.swaps)))]
        for part in swapped:
            wished = {swap.candidate for swap in proposal.swaps} - {swap.candidate for swap in part.swaps}
            there = [item for item in images if item[0][0] not in wished]
            found += [replace(part, images=dict(there[:count])) for count in range(1, len(there) + 1)]
    return found


def kept_of(state: TurnState) -> object:
    """All of a turn's record, with images by their hash."""
    images = {painting: image.sha256 for painting, image in state.images.items()}
    return replace(state, images=images, refused=()), [kept_of(it) for it in state.refused]  # type: ignore[arg-type]


def steps(events: Sequence[Event]) -> list[object]:
    """What was told of slates and answers, with images by their hash."""
    told: list[object] = []
    for event in events:
        match event:
            case TurnReady(turn=turn, slate=slate, columns=columns, proposal=proposal, paths=paths):
                told.append(
                    (turn, proposal, slate, [[it.sha256 for it in column] for column in columns], paths)
                )
            case SlateChosen() | Swapped() | Refused() | Chosen():
                told.append(replace(event, replayed=False))
    return told


_WHOLE, _TOLD, _RECORD = run(fussy())


def prefix(whole: int, part: int, robber: random.Random) -> list[TurnState]:
    """A prefix of a fussy rollout that has lost images anywhere in it, in refused slates too."""
    states = list(_RECORD.turns[:whole])
    if whole < len(_RECORD.turns):
        found = parts(_RECORD.turns[whole])
        states.append(found[part % len(found)])

    def robbed(state: TurnState) -> TurnState:
        there = sorted(state.images)
        lost = robber.sample(there, min(robber.randrange(3), len(there)))
        kept = {painting: image for painting, image in state.images.items() if painting not in lost}
        return replace(state, images=kept, refused=tuple(robbed(it) for it in state.refused))

    return [robbed(state) for state in states]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 200), st.integers(0, 2**16))
def test_any_prefix_leads_to_the_same_end(whole: int, part: int, seed: int) -> None:
    states = prefix(whole, part, random.Random(seed))
    painter = NoisePainter()
    history, events, recorder = run(replace(fussy(), painter=painter), MemoryRecorder(states))
    assert identity(history) == identity(_WHOLE)
    assert list(map(kept_of, recorder.turns)) == list(map(kept_of, _RECORD.turns))
    proposals = [it for state in states for it in state.proposals]
    kept = sum(len(it.images) for it in proposals)
    assert sum(len(row) for _, seeds in painter.asked for row in seeds) == 2 + 6 * 6 + 4 * 2 - kept
    assert steps(events) == steps(_TOLD)
    answers = [it for proposal in proposals for it in proposal.answers]
    again = [e for e in events if isinstance(e, Swapped | Refused | Chosen) and e.replayed]
    assert len(again) == len(answers)


def test_a_finished_rollout_only_tells_its_events_again() -> None:
    _, first, recorder = run(fussy())
    painter, user = NoisePainter(), Scripted()
    _, again, _ = run(replace(small_services(), painter=painter, user=user), recorder)
    assert not painter.asked and not user.seen
    assert steps(again) == steps(first)
    kinds = (SlateChosen, ImageReady, TurnReady, Swapped, Refused, Chosen)
    assert all(e.replayed for e in again if isinstance(e, kinds))


# the store


def ticking() -> datetime:
    ticking.now += timedelta(seconds=1)  # type: ignore[attr-defined]
    return ticking.now  # type: ignore[attr-defined,no-any-return]


ticking.now = datetime(2026, 3, 4, tzinfo=UTC)  # type: ignore[attr-defined]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data", clock=ticking, draw=random.Random(1).randrange)


def play(store: Store, services: Services) -> tuple[str, History, list[Event]]:
    with begin_session(store, NEW) as session:
        events: list[Event] = []
        return session.id, asyncio.run(session.run(services, events.append)), events


def resume(store: Store, session: str) -> tuple[History, list[Event]]:
    with resume_session(store, session) as again:
        events: list[Event] = []
        return asyncio.run(again.run(replace(small_services(), user=Scripted()), events.append)), events


def test_the_store_tells_a_fussy_session_as_it_was(store: Store) -> None:
    session, history, events = play(store, fussy())
    again, told = resume(store, session)
    assert identity(again) == identity(history)
    assert steps(told) == steps(events)
    _, one, two, three = store.turns(session)
    assert [len(turn.refused) for turn in (one, two, three)] == [1, 2, 0]
    assert [it.refusal for turn in (one, two) for it in turn.refused] == [
        NoneOfThese("brighter"),
        NoneOfThese("brighter"),
        NoneOfThese(),
    ]
    for stored, refusal in zip((*one.refused, *two.refused), history.refusals, strict=True):
        assert (stored.candidates, stored.slate) == (refusal.turn.candidates, refusal.turn.slate)
        assert stored.refused_at is not None and stored.choice is None
    assert len(three.swaps) == 2 and three.selected is not None and three.slate is not None
    assert three.selected.indices[2] == three.slate.indices[2]
    assert [it.before for it in three.swaps] == list(three.selected.indices[:2])
    assert len(three.images) == 6
    assert len(three.paintings) == 2 * len({*three.selected.indices, *three.slate.indices}) > 6
    assert store.get(session).turns_chosen == 3


def test_files_say_which_proposal_and_which_candidate_they_are_of(store: Store) -> None:
    session, _, _ = play(store, fussy())
    folder = store.directory(session)
    assert {it.name for it in folder.iterdir() if it.is_dir()} == {
        *("turn-0", "turn-1", "turn-1-proposal-2"),
        *("turn-2", "turn-2-proposal-2", "turn-2-proposal-3", "turn-3"),
    }
    assert {it.name for it in (folder / "turn-2").iterdir()} == {
        *(f"column-{column}-image-{index}.png" for column in (1, 2, 3) for index in (1, 2)),
        *(f"column-1-candidate-25-image-{index}.png" for index in (1, 2)),
    }


def test_lost_images_of_a_refused_slate_are_painted_again(store: Store) -> None:
    session, history, _ = play(store, fussy())
    folder = store.directory(session)
    lost = [
        folder / "turn-2" / "column-1-image-1.png",
        folder / "turn-2" / "column-1-candidate-25-image-2.png",
        folder / "turn-1" / "column-3-image-1.png",
        folder / "turn-3" / "column-1-image-2.png",
    ]
    before = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    again, _ = resume(store, session)
    assert identity(again) == identity(history)
    assert [path.read_bytes() for path in lost] == before


def test_values_of_all_candidates_come_back(store: Store) -> None:
    session = store.create(NEW).id
    written = [Candidate(f"prompt {n}", f"kind {n % 5}") for n in range(5)]
    store.save_candidates(session, 1, written, 9, 1)
    slate = Slate((3, 1), (0.3, 0.1), (0.0, 0.1, 0.2, 0.3, 0.4))
    store.save_slate(session, 1, slate, 2)
    store.save_swap(session, 1, Swap(0, 4))
    (turn,) = store.turns(session)
    assert (turn.selected, turn.slate) == (slate, slate.swapped(Swap(0, 4)))


def test_a_slate_without_other_values_keeps_those_it_had(store: Store) -> None:
    session = store.create(NEW).id
    store.save_candidates(session, 1, [Candidate(f"prompt {n}", "kind") for n in range(5)], 9, 1)
    slate = Slate((3, 1), (0.3, 0.1))
    store.save_slate(session, 1, slate, 2)
    store.save_swap(session, 1, Swap(0, 4))
    (turn,) = store.turns(session)
    assert (turn.selected, turn.slate) == (slate, slate.swapped(Swap(0, 4)))


_OLD = {
    "sessions": "id, created_at, updated_at, 'active', starred, prompt, seed, profile, selector, user, blind,"
    " settings, versions, NULL, rater, rated_at, taste",
    "turns": "id, session_id, parent_turn_id, number, created_at, max_words, write_seed, select_seed",
    "candidates": "turn_id, position, category, prompt",
    "slates": "turn_id, column, position, value",
    "images": "turn_id, column, position, seed, sha256, file, embedding, created_at",
    "choices": "turn_id, column, critique, created_at",
}
"""The columns that a store of version 4 has."""


def test_a_store_from_before_refusals_goes_on_as_it_would_have(tmp_path: Path, store: Store) -> None:
    """A session is copied row by row into a store of version 4, without its last choice, and resumed."""
    session, history, _ = play(store, small_services())
    root = tmp_path / "old"
    shutil.copytree(store.directory(session), root / "sessions" / session)
    before = {version: schema.MIGRATIONS[version] for version in (1, 2, 3, 4)}
    with (
        closing(schema.connect(root / "sessions.sqlite3", before)) as old,
        closing(sqlite3.connect(store.path)) as new,
    ):
        for table, columns in _OLD.items():
            rows = new.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
            marks = ", ".join("?" * len(rows[0]))
            kept = rows[:-1] if table == "choices" else rows
            old.executemany(f"INSERT INTO {table} VALUES ({marks})", kept)
        old.execute("UPDATE sessions SET head_turn_id = (SELECT max(id) FROM turns)")
    painter = NoisePainter()
    with Store(root) as moved, resume_session(moved, session) as again:
        services = replace(small_services(), painter=painter)
        resumed = asyncio.run(again.run(services, lambda event: None))
    assert identity(resumed) == identity(history)
    assert painter.asked == []


def test_deleting_a_session_takes_its_refused_slates_along(store: Store) -> None:
    session, _, _ = play(store, fussy())
    store.delete(session)
    with sqlite3.connect(store.path) as sql:
        for table in ("turns", "refusals", "swaps", "images", "slates"):
            assert sql.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    sql.close()
