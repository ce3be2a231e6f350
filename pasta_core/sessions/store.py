"""The session store: one SQLite file and a directory of images, in which every finished step is durable."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pasta_core.domain import Candidate, Choice, Image, NoneOfThese, Slate, Swap, TurnRating
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import make_directory, storing
from pasta_core.sessions.connection import begin_writing, connect, sql_errors
from pasta_core.sessions.identity import LAST, SessionLock, match_id, new_id
from pasta_core.sessions.images import write_image
from pasta_core.sessions.records import NewSession, SessionInfo, SessionStatus, StoredTurn
from pasta_core.sessions.rows import (
    SESSION_QUERY,
    proposal_of,
    rater_name,
    read_answers,
    read_session,
    read_turns,
    settings_to_json,
)
from pasta_core.sessions.search import EVERYTHING, SessionFilter, filter_clause
from pasta_core.sessions.steps import (
    kept_file,
    turn_row,
    write_answers,
    write_candidates,
    write_choice,
    write_image_row,
    write_rating,
    write_refusal,
    write_slate,
    write_swap,
)
from pasta_core.simulation.recorder import Spot

__all__ = ["Store", "utc_now"]

_ID_ATTEMPTS = 20


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Store:
    """All sessions below one data directory. Methods may be called from any thread; all raise `StorageError`.

    A method that saves has made its step durable when it returns.
    """

    def __init__(
        self,
        root: Path,
        clock: Callable[[], datetime] = utc_now,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Open the store in `root`, making both if need be; `draw(n)` draws below n for new ids."""
        self.root = root.absolute()
        self.path = self.root / "sessions.sqlite3"
        self._clock = clock
        self._draw = draw
        make_directory(self.root)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._connection = connect(self.path)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("casefold", 1, str.casefold, deterministic=True)
        self._finish_deletions()

    def close(self) -> None:
        """Close the file, after the step that is being saved; one that waits for another process fails."""
        self._closing.set()
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # sessions

    def create(self, new: NewSession) -> SessionInfo:
        """Begin a session under a new id."""
        now = self._now()
        for _ in range(_ID_ATTEMPTS):
            session = new_id(self._clock(), self._draw)
            with self._transaction() as sql:
                inserted = sql.execute(
                    "INSERT OR IGNORE INTO sessions (id, created_at, updated_at, status, prompt, seed,"
                    " profile, selector, user, blind, settings, versions, rater, taste)"
                    " SELECT ?1, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
                    " WHERE ?1 NOT IN (SELECT session_id FROM deletions)",
                    (
                        *(session, now, now, new.prompt, new.seed, new.profile, new.selector, new.user),
                        *(new.blind, settings_to_json(new.settings), json.dumps(dict(new.versions))),
                        *(rater_name(sql, new, self._draw), new.taste),
                    ),
                )
            if inserted.rowcount == 1:
                return self.get(session)
        raise StorageError("no free session id was found", "try again")

    def get(self, session: str) -> SessionInfo:
        """The session of exactly this id; `InvalidInput` if there is none."""
        with self._reading() as sql:
            row = sql.execute(SESSION_QUERY + "WHERE id = ?", (session,)).fetchone()
        if row is None:
            raise InvalidInput(f"there is no session {session!r}", "'pasta sessions list' shows them")
        return read_session(row)

    def find(self, text: str) -> SessionInfo:
        """The session that `text` names: `last`, an id or its beginning; `InvalidInput` if not just one."""
        sessions = self.sessions()
        if text == LAST:
            if not sessions:
                raise InvalidInput("there is no session yet", "begin one: pasta session PROMPT")
            return sessions[0]
        return self.get(match_id(text, (session.id for session in sessions)))

    def sessions(self, wanted: SessionFilter = EVERYTHING) -> tuple[SessionInfo, ...]:
        """All sessions that are looked for, the one worked on last first."""
        condition, parameters = filter_clause(wanted)
        query = f"{SESSION_QUERY} WHERE {condition} ORDER BY updated_at DESC, rowid DESC"
        with self._reading() as sql:
            rows = sql.execute(query, parameters).fetchall()
        return tuple(read_session(row) for row in rows)

    def set_status(self, session: str, status: SessionStatus) -> None:
        """Mark a session active, finished or abandoned; what it already is changes nothing."""
        with self._transaction() as sql:
            sql.execute(
                "UPDATE sessions SET status = :status, updated_at = :now"
                " WHERE id = :id AND status != :status",
                {"status": status.value, "now": self._now(), "id": session},
            )

    def star(self, session: str, starred: bool = True) -> None:
        """Star a session, or take its star away; this is no work on it."""
        with self._transaction() as sql:
            sql.execute("UPDATE sessions SET starred = ? WHERE id = ?", (starred, session))

    def leave_taste(self, session: str) -> None:
        """Let no taste learn from a session any more; this is no work on it."""
        with self._transaction() as sql:
            sql.execute("UPDATE sessions SET taste = NULL WHERE id = ?", (session,))

    def delete(self, session: str) -> None:
        """Delete a session and its image files for good; `StorageError` if another process works on it.

        Its rows go at once; where its files cannot follow, `StorageError` says so, and the next process that
        opens the store goes on with them.
        """
        self.get(session)
        lock = self.lock(session)
        try:
            with self._transaction() as sql:
                sql.execute("DELETE FROM sessions WHERE id = ?", (session,))
                sql.execute("INSERT OR IGNORE INTO deletions (session_id) VALUES (?)", (session,))
            self._delete_files(session)
        finally:
            lock.release()

    def directory(self, session: str) -> Path:
        """Where a session's image files lie."""
        return self.root / "sessions" / session

    def lock(self, session: str) -> SessionLock:
        """Keep a session to this process until the lock is released; `StorageError` if another one has it."""
        return SessionLock(session, self.directory(session))

    # steps

    def turns(self, session: str) -> tuple[StoredTurn, ...]:
        """The turns on the session's path, oldest first, turn 0 included."""
        with self._reading() as sql:
            sql.execute("BEGIN")
            try:
                return tuple(read_turns(sql, session, self.root))
            finally:
                sql.execute("ROLLBACK")

    def save_candidates(
        self, session: str, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
    ) -> None:
        """Keep what was written for a turn, and so begin it."""
        with self._saving(session) as sql:
            write_candidates(sql, self._turn(sql, session, turn), candidates, max_words, seed)

    def save_slate(self, session: str, turn: int, slate: Slate, seed: int) -> None:
        """Keep what is shown, with the values that the selector predicted."""
        with self._saving(session) as sql:
            write_slate(sql, self._turn(sql, session, turn), slate, seed)

    def save_image(self, session: str, spot: Spot, image: Image) -> Path:
        """Keep an image and its embedding, in place of the one that was there; returns its file."""
        with self._reading() as sql:
            kept, name = kept_file(sql, session, spot)
        path = self.directory(session) / name if kept is None else self.root / kept
        write_image(path, image)
        file = path.relative_to(self.root).as_posix()
        with self._saving(session) as sql:
            row = proposal_of(sql, self._turn(sql, session, spot.turn, spot.proposal), spot.proposal)
            write_image_row(sql, row, spot, image, file, self._now())
        return path

    def save_swap(self, session: str, turn: int, swap: Swap) -> None:
        """Keep that a column shows another candidate, and which one it showed before."""
        with self._saving(session) as sql:
            write_swap(sql, self._turn(sql, session, turn), swap, self._now())

    def save_refusal(self, session: str, turn: int, refusal: NoneOfThese) -> None:
        """Keep that a slate was refused; what is saved for the turn from now on is its next proposal."""
        with self._saving(session) as sql:
            write_refusal(sql, self._turn(sql, session, turn), refusal, self._now())

    def save_choice(self, session: str, turn: int, choice: Choice) -> None:
        """Keep what was chosen, and the critique."""
        with self._saving(session) as sql:
            write_choice(sql, self._turn(sql, session, turn), choice, self._now())

    def save_rating(self, session: str, turn: int, rating: TurnRating) -> None:
        """Keep what was answered about a turn (App. B.2), in place of earlier answers."""
        with self._saving(session) as sql:
            write_rating(sql, self._turn(sql, session, turn), rating, self._now())

    # studies

    def answers(self, session: str) -> dict[tuple[int, str], str]:
        """What was answered in the evaluation phase, by turn and question."""
        with self._reading() as sql:
            return read_answers(sql, session)

    def save_answers(self, session: str, turn: int, answers: Mapping[str, str]) -> None:
        """Keep answers about a turn by the names of their questions, in place of earlier ones."""
        with self._saving(session) as sql:
            row = self._turn(sql, session, turn)
            write_answers(sql, row, answers, self._now())

    def end_study(self, session: str, ratings: Mapping[int, TurnRating]) -> None:
        """End the evaluation phase: all turns' ratings at once."""
        with self._saving(session) as sql:
            for turn, rating in ratings.items():
                write_rating(sql, self._turn(sql, session, turn), rating, self._now())
            sql.execute("UPDATE sessions SET rated_at = ? WHERE id = ?", (self._now(), session))

    # transactions

    def _turn(self, sql: sqlite3.Connection, session: str, number: int, proposal: int | None = None) -> int:
        return turn_row(sql, session, number, self._now(), proposal)

    def _delete_files(self, session: str) -> None:
        directory = self.directory(session)
        if directory.is_dir():
            with storing(directory):
                shutil.rmtree(directory)
        with self._transaction() as sql:
            sql.execute("DELETE FROM deletions WHERE session_id = ?", (session,))

    def _finish_deletions(self) -> None:
        """Go on where a process was killed between a session's rows and its files."""
        with self._reading() as sql:
            left = [row["session_id"] for row in sql.execute("SELECT session_id FROM deletions")]
        for session in left:
            with suppress(StorageError):
                lock = self.lock(session)
                try:
                    self._delete_files(session)
                finally:
                    lock.release()

    def _now(self) -> str:
        return self._clock().isoformat(timespec="microseconds")

    @contextmanager
    def _saving(self, session: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is work on a session."""
        with self._transaction() as sql:
            sql.execute("UPDATE sessions SET updated_at = ? WHERE id = ?", (self._now(), session))
            yield sql

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as sql:
            begin_writing(sql, self._closing.wait)
            try:
                yield sql
                sql.execute("COMMIT")
            except BaseException:
                if sql.in_transaction:
                    sql.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sql_errors(self.path):
            yield self._connection
