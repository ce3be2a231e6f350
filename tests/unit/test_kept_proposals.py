"""Slates that are refused or changed, as the store keeps them and tells them again."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pasta_core.domain import Candidate, History, NoneOfThese, Slate, Swap
from pasta_core.events import Event
from pasta_core.sessions import connection, schema
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.simulation.rollout import Services
from tests.support.proposals import SETTINGS, Scripted, fussy, identity, steps
from tests.support.rollouts import NoisePainter, small_services

NEW = NewSession("a red train", 5, "micro", "drawn", settings=SETTINGS)


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
        closing(connection.connect(root / "sessions.sqlite3", before)) as old,
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
