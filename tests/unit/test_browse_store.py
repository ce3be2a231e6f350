"""Finding past sessions and deleting them: what matches, what goes, and what a kill in between leaves."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.sessions import connection, schema
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.search import SessionFilter, parse_since, parse_until
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from tests.support.rollouts import small_services

NEW = NewSession("a red train", 5, "micro", "drawn", settings=SessionSettings(turns=2, columns=3, images=2))
START = datetime(2026, 3, 4, tzinfo=UTC)


def hourly() -> Callable[[], datetime]:
    """A clock that goes on by an hour whenever it is read."""
    now = START

    def read() -> datetime:
        nonlocal now
        now += timedelta(hours=1)
        return now

    return read


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data", clock=hourly(), draw=random.Random(1).randrange)


def begun(store: Store, prompt: str) -> str:
    return store.create(replace(NEW, prompt=prompt)).id


def played(store: Store) -> str:
    with begin_session(store, NEW) as session:
        asyncio.run(session.run(small_services(), lambda _: None))
        return session.id


def rows(store: Store) -> dict[str, int]:
    """How many rows every table but the version's has."""
    with sqlite3.connect(store.path) as sql:
        names = [name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sql.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in names
            if name != "schema_version"
        }


def test_a_deleted_session_leaves_no_row_and_no_file_and_others_stay(store: Store) -> None:
    keep, gone = played(store), played(store)
    one_session = {name: count // 2 for name, count in rows(store).items()}
    store.delete(gone)
    assert rows(store) == one_session
    assert rows(store)["images"] == 2 + 2 * 3 * 2
    assert not store.directory(gone).exists()
    assert len(list(store.directory(keep).rglob("*.png"))) == 14
    assert [info.id for info in store.sessions()] == [keep]
    with pytest.raises(InvalidInput, match="no session"):
        store.delete(gone)


def test_a_session_that_somebody_works_on_is_not_deleted(store: Store) -> None:
    with begin_session(store, NEW) as session:
        with pytest.raises(StorageError, match="open in another process"):
            store.delete(session.id)
        assert store.get(session.id).id == session.id
    hold = (
        "import sys; from pathlib import Path; from pasta_core.sessions.store import Store\n"
        "held = Store(Path(sys.argv[1])).lock(sys.argv[2]); print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", hold, str(store.root), session.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StorageError, match="open in another process"):
            store.delete(session.id)
        assert other.stdin is not None
        other.stdin.close()
    store.delete(session.id)
    assert store.sessions() == ()


def test_a_kill_between_rows_and_files_leaves_no_broken_session(store: Store) -> None:
    keep, gone = played(store), played(store)
    kill = (
        "import os, shutil, signal, sys; from pathlib import Path\n"
        "from pasta_core.sessions.store import Store\n"
        "shutil.rmtree = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(Path(sys.argv[1])).delete(sys.argv[2])\n"
    )
    run = subprocess.run([sys.executable, "-c", kill, str(store.root), gone], check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL
    assert [info.id for info in store.sessions()] == [keep]
    assert store.directory(gone).is_dir()
    with Store(store.root) as again:
        assert not again.directory(gone).exists()
        assert rows(again)["deletions"] == 0
        assert len(list(again.directory(keep).rglob("*.png"))) == 14


def test_files_that_cannot_go_are_said_and_go_when_they_can(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = played(store)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("pasta_core.sessions.store.shutil.rmtree", refuse)
        with pytest.raises(StorageError, match=gone):
            store.delete(gone)
        with Store(store.root) as again:
            assert again.sessions() == ()
            assert again.directory(gone).is_dir()
    with Store(store.root) as again:
        assert not again.directory(gone).exists()


def test_folders_that_no_row_names_are_nobodys_to_delete(store: Store) -> None:
    """A database that was lost or restored from a copy must not take the images with it."""
    session = played(store)
    store.close()
    store.path.rename(store.root / "elsewhere.sqlite3")
    with Store(store.root) as again:
        assert again.sessions() == ()
        assert len(list(again.directory(session).rglob("*.png"))) == 14


def test_an_id_is_not_used_again_while_its_old_files_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([0] * 8 + [1] * 4)
    store = Store(tmp_path, clock=hourly(), draw=lambda below: next(draws))
    first = begun(store, "a train")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pasta_core.sessions.store.shutil.rmtree", refuse)
    with pytest.raises(StorageError):
        store.delete(first)
    assert begun(store, "a train") != first


def test_a_store_of_the_first_version_can_delete_too(tmp_path: Path) -> None:
    sql = connection.connect(tmp_path / "sessions.sqlite3", {1: schema.MIGRATIONS[1]})
    sql.close()
    with Store(tmp_path) as store:
        session = played(store)
        store.delete(session)
        assert store.sessions() == ()


def test_text_is_looked_for_in_everything_the_person_saw(store: Store) -> None:
    session = played(store)
    other = begun(store, "Ein GRÜNER Zug [im Schnee] 100%")
    chosen = next(turn for turn in store.turns(session) if turn.number == 1)
    assert chosen.slate is not None and chosen.choice is not None
    prompt = chosen.candidates[chosen.slate.indices[chosen.choice.column]].prompt
    not_shown = next(
        it.prompt for place, it in enumerate(chosen.candidates) if place not in chosen.slate.indices
    )

    def found(text: str) -> list[str]:
        return [info.id for info in store.sessions(SessionFilter(text))]

    assert found("") == found("   ") == [other, session]
    assert found("TRAIN red") == [session]
    assert found("grüner") == found("[im") == found("100%") == [other]
    assert found(prompt) == found("brighter still") == found(session[-4:]) == [session]
    assert found(not_shown.split()[-1]) == found("train zug") == found("gr_ner") + found("gr%er") == []


def test_dates_and_stars_narrow_the_list(store: Store) -> None:
    ids = [begun(store, f"train {number}") for number in range(4)]
    times = {info.id: info.updated_at for info in store.sessions()}
    store.star(ids[1])
    store.star(ids[3])

    def found(**wanted: object) -> list[str]:
        return [info.id for info in store.sessions(SessionFilter(**wanted))]  # type: ignore[arg-type]

    since = times[ids[1]].astimezone(timezone(timedelta(hours=-7)))
    assert found(since=since) == [ids[3], ids[2], ids[1]]
    assert found(until=times[ids[1]]) == [ids[0]]
    assert found(since=times[ids[1]], until=times[ids[3]], starred=True) == [ids[1]]
    assert found(starred=True, text="train 3") == [ids[3]]
    assert found(since=times[ids[3]] + timedelta(microseconds=1)) == []


NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
EAST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)),
        (" Today ", datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7), NOW - timedelta(days=7)),
        ("12 H", NOW - timedelta(hours=12), NOW - timedelta(hours=12)),
        ("2w", NOW - timedelta(weeks=2), NOW - timedelta(weeks=2)),
    ],
)
def test_dates_are_typed_as_people_think_of_them(text: str, since: datetime, until: datetime) -> None:
    assert parse_since(text, NOW, UTC) == since
    assert parse_until(text, NOW, UTC) == until


def test_a_day_is_a_day_where_the_person_is() -> None:
    assert parse_since("today", NOW, EAST) == datetime(2026, 11, 24, tzinfo=EAST)
    assert parse_since("2026-11-20", NOW, EAST) == datetime(2026, 11, 19, 15, tzinfo=UTC)
    assert parse_since("today", NOW).utcoffset() == NOW.astimezone().utcoffset()


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "20.11.2026", "d", "99999y", "9999-12-31", "-1d"])
def test_what_is_no_date_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_until(text, NOW, UTC)
    assert "7d" in refusal.value.hint


def test_a_resume_of_a_session_deleted_meanwhile_is_refused(store: Store) -> None:
    session = played(store)
    store.delete(session)
    with pytest.raises(InvalidInput, match="no session"):
        resume_session(store, session)
