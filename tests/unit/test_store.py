"""The session store: what goes in comes out, what is damaged is repainted, what is refused says why."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pasta_core import files
from pasta_core.domain import Comparison, History, TurnRating
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.events import Event, Finished, ImageReady, Note, SessionStarted
from pasta_core.sessions import connection, schema
from pasta_core.sessions.identity import match_id, new_id
from pasta_core.sessions.provenance import versions
from pasta_core.sessions.records import NewSession, SessionStatus
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from tests.support.rollouts import small_services

NEW = NewSession("a red train", 5, "micro", "drawn", settings=SessionSettings(turns=2, columns=3, images=2))


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second whenever it is read."""
    now = datetime(2026, 3, 4, tzinfo=UTC)

    def read() -> datetime:
        nonlocal now
        now += timedelta(seconds=1)
        return now

    return read


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data", clock=ticking(), draw=random.Random(1).randrange)


def play(store: Store, new: NewSession = NEW) -> tuple[str, History, list[Event]]:
    with begin_session(store, new) as session:
        events: list[Event] = []
        return session.id, asyncio.run(session.run(small_services(), events.append)), events


def resume(store: Store, text: str) -> tuple[History, list[Event]]:
    with resume_session(store, text) as session:
        events: list[Event] = []
        return asyncio.run(session.run(small_services(), events.append)), events


def hashes(history: History) -> list[str]:
    columns = [history.initial_images, *(column for turn in history.turns for column in turn.columns)]
    return [image.sha256 for column in columns for image in column]


def test_a_session_comes_back_as_it_was(store: Store) -> None:
    session, history, _ = play(store)
    info = store.get(session)
    assert info.made_of.settings == NEW.settings
    assert (info.made_of.prompt, info.made_of.seed, info.made_of.user) == ("a red train", 5, "person")
    assert "pasta" in info.made_of.versions
    assert (info.status, info.turns_chosen, info.starred) == (SessionStatus.FINISHED, 2, False)
    turns = store.turns(session)
    assert [turn.number for turn in turns] == [0, 1, 2]
    for stored, turn in zip(turns[1:], history.turns, strict=True):
        assert (stored.candidates, stored.slate, stored.choice) == (turn.candidates, turn.slate, turn.choice)
        assert None not in (stored.max_words, stored.write_seed, stored.select_seed)
        for (column, index), image in stored.images.items():
            painted = turn.columns[column][index]
            assert (image.seed, image.sha256) == (painted.seed, painted.sha256)
            assert image.embedding is not None
            assert painted.embedding is not None
            assert image.embedding.tobytes() == painted.embedding.tobytes()


def test_images_lie_where_a_person_looks_for_them(store: Store) -> None:
    session, history, events = play(store)
    third = store.directory(session) / "turn-2" / "column-3-image-1.png"
    from PIL import Image as Pillow

    with Pillow.open(third) as png:
        assert (np.asarray(png) == history.turns[1].columns[2][0].pixels).all()
    final = events[-1]
    assert isinstance(final, Finished)
    assert all(path is not None and path.is_absolute() and path.is_file() for path in final.paths)
    assert not list(store.root.rglob("*.tmp"))


def test_every_turn_knows_its_parent(store: Store) -> None:
    session, _, _ = play(store)
    with sqlite3.connect(store.path) as sql:
        rows = sql.execute(
            "SELECT turns.number, parents.number FROM turns LEFT JOIN turns AS parents"
            " ON parents.id = turns.parent_turn_id WHERE turns.session_id = ? ORDER BY turns.number",
            (session,),
        ).fetchall()
    assert rows == [(0, None), (1, 0), (2, 1)]


def test_a_resume_reads_its_history_from_the_disk(store: Store) -> None:
    session, history, events = play(store)
    updated = store.get(session).updated_at
    again, replayed = resume(store, session)
    assert hashes(again) == hashes(history)
    assert [type(e) for e in replayed if not e.replayed] == [SessionStarted, Finished]
    assert replayed[-1].paths == events[-1].paths  # type: ignore[attr-defined]
    assert store.get(session).updated_at == updated, "looking at a finished session is no work on it"


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_lost_and_damaged_images_are_painted_again(store: Store, turn: int) -> None:
    session, history, _ = play(store)
    folder = store.directory(session) / f"turn-{turn}"
    lost, cut = folder / "column-1-image-1.png", folder / "column-1-image-2.png"
    before = cut.read_bytes()
    lost.unlink()
    cut.write_bytes(before[: len(before) // 2])
    again, events = resume(store, session)
    assert hashes(again) == hashes(history)
    assert cut.read_bytes() == before
    assert lost.is_file()
    painted = [(e.turn, e.column, e.index) for e in events if isinstance(e, ImageReady) and not e.replayed]
    assert painted == [(turn, 0, 0), (turn, 0, 1)]
    assert Note("2 images are missing or damaged and will be painted again") in events


def test_an_exchanged_image_is_noticed(store: Store) -> None:
    session, history, _ = play(store)
    folder = store.directory(session) / "turn-1"
    (folder / "column-1-image-1.png").write_bytes((folder / "column-2-image-1.png").read_bytes())
    again, events = resume(store, session)
    assert hashes(again) == hashes(history)
    assert any(isinstance(e, ImageReady) and not e.replayed for e in events)


def test_a_repaint_that_differs_is_said(store: Store) -> None:
    session, _, _ = play(store)
    with sqlite3.connect(store.path) as sql:
        sql.execute("UPDATE images SET sha256 = 'of another machine' WHERE column = 1 AND position = 0")
    sql.close()
    _, events = resume(store, session)
    said = [e.text for e in events if isinstance(e, Note) and "differs" in e.text]
    assert said == [
        f"turn {turn}, column 2, image 1 was painted again and differs from the one that was lost"
        for turn in (1, 2)
    ]
    assert not any(isinstance(e, Note) for e in resume(store, session)[1])


def test_escapes_in_the_prompt_are_stripped_with_one_note(store: Store) -> None:
    _, history, events = play(store, replace(NEW, prompt="a \x1b[31mred\x1b[0m  train"))
    assert history.initial_prompt == "a red train"
    assert [e for e in events if isinstance(e, Note)] == [
        Note("control characters were removed from the prompt")
    ]


@pytest.mark.parametrize(
    "new", [replace(NEW, prompt=" "), replace(NEW, prompt="x " * 63), replace(NEW, seed=2**63)]
)
def test_a_session_that_cannot_be_is_not_begun(store: Store, new: NewSession) -> None:
    with pytest.raises(InvalidInput):
        begin_session(store, new)
    assert store.sessions() == ()


def test_ratings_have_their_place(store: Store) -> None:
    session, _, _ = play(store)
    first = TurnRating(2, (1, 5, 3), 4, None, "the colour")
    second = TurnRating(0, (4, 4, 1), 2, Comparison.WORSE)
    store.save_rating(session, 1, TurnRating(0, (1, 1, 1), 1))
    store.save_rating(session, 1, first)
    store.save_rating(session, 2, second)
    assert [turn.rating for turn in store.turns(session)] == [None, first, second]


def test_a_score_out_of_range_leaves_the_earlier_answers(store: Store) -> None:
    session, _, _ = play(store)
    kept = TurnRating(2, (1, 5, 3), 4)
    store.save_rating(session, 1, kept)
    with pytest.raises(StorageError):
        store.save_rating(session, 1, replace(kept, column_scores=(1, 6, 3)))
    assert store.turns(session)[1].rating == kept


def test_the_last_session_is_the_one_worked_on_last(store: Store) -> None:
    first, _, _ = play(store)
    second, _, _ = play(store)
    assert store.find("last").id == second
    store.star(first)
    assert store.find("last").id == second
    store.set_status(first, SessionStatus.ABANDONED)
    assert store.find("last").id == first
    assert [(s.id, s.starred) for s in store.sessions()] == [(first, True), (second, False)]


def test_an_abandoned_session_is_active_again_when_it_is_resumed(store: Store) -> None:
    with begin_session(store, NEW) as session:
        session.abandon()
    assert store.find("last").status is SessionStatus.ABANDONED
    with resume_session(store, session.id) as again:
        assert again.info.status is SessionStatus.ACTIVE
        asyncio.run(again.run(small_services(), lambda event: None))
    assert store.get(session.id).status is SessionStatus.FINISHED


def test_ids_are_short_and_readable() -> None:
    draw = random.Random(3).randrange
    ids = {new_id(datetime(2026, 3, 4, tzinfo=UTC), draw) for _ in range(50)}
    assert len(ids) == 50
    assert all(len(one) == 13 and one.startswith("20260304-") and one[9:].isalpha() for one in ids)


def test_a_taken_id_is_drawn_again(tmp_path: Path) -> None:
    draws = iter([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    with Store(tmp_path, clock=ticking(), draw=lambda n: next(draws)) as store:
        assert [store.create(NEW).id for _ in range(2)] == ["20260304-bbbb", "20260304-cccc"]


def test_a_session_is_named_by_what_is_unique() -> None:
    ids = ["20260304-bcdf", "20260304-bkkk", "20260305-tttt"]
    assert match_id("20260305", ids) == match_id("t", ids) == match_id("20260305-tttt", ids) == ids[2]
    assert match_id("bc", ids) == ids[0]
    for ambiguous in ("2026", "b", "20260304-b"):
        with pytest.raises(InvalidInput, match=f"'{ambiguous}' names [23] sessions") as refusal:
            match_id(ambiguous, ids)
        assert ids[0] in refusal.value.hint
    for unknown in ("", "x", "cdf", "20260304-bcdfg", "%"):
        with pytest.raises(InvalidInput, match="there is no session"):
            match_id(unknown, ids)


def test_there_is_no_last_session_in_an_empty_store(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no session yet"):
        store.find("last")


def test_a_session_belongs_to_one_process(store: Store) -> None:
    session = begin_session(store, NEW)
    resume_it = (
        "import sys; from pathlib import Path; from pasta_core.errors import PastaError\n"
        "from pasta_core.sessions.store import Store\n"
        "from pasta_core.sessions.session import resume_session\n"
        "try: resume_session(Store(Path(sys.argv[1])), sys.argv[2])\n"
        "except PastaError as error: print(error.message)\n"
        "else: print('resumed')\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", resume_it, str(store.root), session.id]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert other() == f"session {session.id} is open in another process"
    session.close()
    assert other() == "resumed"


def test_half_written_files_of_a_killed_process_are_swept(store: Store) -> None:
    session, _, _ = play(store)
    left = store.directory(session) / "turn-1" / ".column-1-image-1.png.4711.tmp"
    left.write_bytes(b"half")
    resume(store, session)
    assert not left.exists()


def test_a_locked_database_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    store = Store(tmp_path)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another process has locked"):
        store.create(NEW)
    other.execute("ROLLBACK")
    other.close()
    assert store.create(NEW).turns_chosen == 0


def test_a_store_that_is_closed_waits_for_no_other_process(tmp_path: Path) -> None:
    store = Store(tmp_path, clock=ticking())
    session = store.create(NEW).id
    said: list[str] = []

    def star() -> None:
        try:
            store.star(session)
        except StorageError as error:
            said.append(error.message)

    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=star)
        waiting.start()
        while not store._lock.locked():
            time.sleep(0.01)
        begin = time.monotonic()
        store.close()
        assert time.monotonic() - begin < connection.BUSY_SECONDS / 2
        waiting.join()
    assert "has locked" in said[0]


def test_a_full_database_is_said_and_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, clock=ticking())
    session, _, _ = play(store)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="no space left") as failure:
        store.create(replace(NEW, prompt="word " * 10_000))
    assert "free some space" in failure.value.hint
    assert len(store.turns(session)) == 3


def test_a_full_disk_is_said_and_leaves_no_half_image(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk runs full at the fifth file; the session goes on from there once there is space again."""
    whole, history, _ = play(store)
    sync, synced = os.fsync, []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    session = begin_session(store, NEW)
    events: list[Event] = []
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match="no space left to write"):
        asyncio.run(session.run(small_services(), events.append))
    monkeypatch.undo()
    shown = [e for e in events if isinstance(e, ImageReady)]
    assert shown
    assert all(e.path is not None and e.path.is_file() for e in shown)
    assert not list(store.directory(session.id).rglob("*.tmp"))
    assert hashes(asyncio.run(session.run(small_services(), events.append))) == hashes(history)
    session.close()
    assert whole != session.id


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_directory_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match="cannot be written") as failure:
        Store(tmp_path / "data")
    assert "make it writable" in failure.value.hint


def test_a_data_directory_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(StorageError, match="data"):
        Store(tmp_path / "data")


def test_a_store_of_a_newer_version_is_refused_untouched(store: Store) -> None:
    play(store)
    store.close()
    sql = sqlite3.connect(store.path)
    sql.execute("UPDATE schema_version SET version = ?", (schema.VERSION + 1,))
    sql.commit()
    sql.close()
    with pytest.raises(
        StorageError, match=rf"newer version of pasta \(schema {schema.VERSION + 1}\)"
    ) as refusal:
        Store(store.root)
    assert "update pasta" in refusal.value.hint


def test_an_older_store_is_brought_up_to_date(store: Store) -> None:
    session, _, _ = play(store)
    store.close()

    def add_mood(sql: sqlite3.Connection) -> None:
        sql.execute("ALTER TABLE sessions ADD COLUMN mood TEXT DEFAULT 'calm'")

    migrations = {**schema.MIGRATIONS, schema.VERSION + 1: add_mood}
    for _ in range(2):
        sql = connection.connect(store.path, migrations)
        assert sql.execute("SELECT mood FROM sessions WHERE id = ?", (session,)).fetchone() == ("calm",)
        assert sql.execute("SELECT version FROM schema_version").fetchall() == [(schema.VERSION + 1,)]
        sql.close()


def test_a_migration_that_fails_changes_nothing(store: Store) -> None:
    store.close()

    def fail(sql: sqlite3.Connection) -> None:
        sql.execute("ALTER TABLE sessions ADD COLUMN mood TEXT")
        sql.execute("nonsense")

    with pytest.raises(StorageError):
        connection.connect(store.path, {**schema.MIGRATIONS, schema.VERSION + 1: fail})
    with Store(store.root) as again:
        again.create(NEW)


def test_a_foreign_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "sessions.sqlite3").write_bytes(
        b"this is no database, but it is long enough to be read as one" * 40
    )
    with pytest.raises(StorageError, match="damaged or no session store"):
        Store(tmp_path)


def test_two_processes_may_make_the_store_at_once(tmp_path: Path) -> None:
    make = (
        "import sys; from pathlib import Path; from pasta_core.sessions.store import Store\n"
        "from pasta_core.sessions.records import NewSession\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "Store(Path(sys.argv[1])).create(NewSession('p', 1, 'micro', 'random'))\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", make, str(tmp_path)]
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
    for process in processes:
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 4
    with Store(tmp_path) as store:
        assert len(store.sessions()) == 4


def test_the_store_is_durable_by_its_settings(store: Store) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    values = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == ["wal", 2, 1]


@pytest.mark.parametrize("events_until", [5, 40, 80])
def test_a_cancelled_session_runs_on_in_the_same_process(store: Store, events_until: int) -> None:
    _, whole, _ = play(store)
    told: list[Event] = []

    async def cancelled_run() -> None:
        task = asyncio.current_task()
        assert task is not None

        def emit(event: Event) -> None:
            told.append(event)
            if len(told) == events_until:
                task.cancel()

        await session.run(small_services(), emit)

    with begin_session(store, NEW) as session:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled_run())
        shown = {e.path: e.image.sha256 for e in told if isinstance(e, ImageReady)}
        kept = {
            image.path: image.sha256 for turn in store.turns(session.id) for image in turn.images.values()
        }
        assert shown.items() <= kept.items()
        again: list[Event] = []
        assert hashes(asyncio.run(session.run(small_services(), again.append))) == hashes(whole)
        assert sum(isinstance(e, ImageReady) and e.replayed for e in again) == len(kept)


def test_other_versions_are_said_while_there_is_something_left_to_paint(store: Store) -> None:
    with begin_session(store, replace(NEW, versions={**versions(), "torch": "1.0"})) as session:
        pass
    _, events = resume(store, session.id)
    notes = [e.text for e in events if isinstance(e, Note)]
    assert len(notes) == 1
    assert "torch 1.0 -> " in notes[0]
    _, events = resume(store, session.id)
    assert not any(isinstance(e, Note) for e in events)
