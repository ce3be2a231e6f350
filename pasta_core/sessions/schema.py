"""The tables of the session store, their version, and how an older store becomes a current one."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pasta_core.errors import StorageError

__all__ = ["BUSY_SECONDS", "MIGRATIONS", "VERSION", "begin_writing", "connect", "sql_errors"]

BUSY_SECONDS = 5.0
"""How long a statement waits for another process's transaction."""
_PAUSE = 0.02
"""Seconds after which a store that was locked is tried again."""

Migration = Callable[[sqlite3.Connection], None]

_TABLES = (
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('active', 'finished', 'abandoned')),
        starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
        prompt TEXT NOT NULL,
        seed INTEGER NOT NULL,
        profile TEXT NOT NULL,
        selector TEXT NOT NULL,
        user TEXT NOT NULL,
        blind INTEGER NOT NULL DEFAULT 0 CHECK (blind IN (0, 1)),
        settings TEXT NOT NULL,
        versions TEXT NOT NULL,
        -- the turn that the session stands at; its path is what its parents lead to
        head_turn_id INTEGER REFERENCES turns (id)
    )
    """,
    """
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        parent_turn_id INTEGER REFERENCES turns (id),
        number INTEGER NOT NULL CHECK (number >= 0),
        created_at TEXT NOT NULL,
        max_words INTEGER,
        write_seed INTEGER,
        select_seed INTEGER
    )
    """,
    "CREATE INDEX turns_of_session ON turns (session_id, number)",
    """
    CREATE TABLE candidates (
        turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        category TEXT NOT NULL,
        prompt TEXT NOT NULL,
        PRIMARY KEY (turn_id, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE slates (
        turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        column INTEGER NOT NULL,
        position INTEGER NOT NULL,
        value REAL,
        PRIMARY KEY (turn_id, column),
        FOREIGN KEY (turn_id, position) REFERENCES candidates (turn_id, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE images (
        turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        column INTEGER NOT NULL,
        position INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        file TEXT NOT NULL,
        embedding BLOB,
        created_at TEXT NOT NULL,
        PRIMARY KEY (turn_id, column, position)
    )
    """,
    """
    CREATE TABLE choices (
        turn_id INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
        column INTEGER NOT NULL CHECK (column >= 0),
        critique TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    # the evaluation phase of App. B.2
    """
    CREATE TABLE ratings (
        turn_id INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
        preferred INTEGER NOT NULL CHECK (preferred >= 0),
        score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
        comparison TEXT CHECK (comparison IN ('better', 'same', 'worse')),
        rationale TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE column_scores (
        turn_id INTEGER NOT NULL REFERENCES ratings (turn_id) ON DELETE CASCADE,
        column INTEGER NOT NULL,
        score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
        PRIMARY KEY (turn_id, column)
    ) WITHOUT ROWID
    """,
)


def _create(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(table)


def _add_deletions(connection: sqlite3.Connection) -> None:
    """Sessions whose rows are gone and whose files may not be."""
    connection.execute("CREATE TABLE deletions (session_id TEXT PRIMARY KEY) WITHOUT ROWID")


def _add_studies(connection: sqlite3.Connection) -> None:
    """Who rates in a study (App. B), when the evaluation phase ended, and its answers as they are given."""
    connection.execute("ALTER TABLE sessions ADD COLUMN rater TEXT")
    connection.execute("ALTER TABLE sessions ADD COLUMN rated_at TEXT")
    connection.execute(
        """
        CREATE TABLE answers (
            turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            question TEXT NOT NULL,
            answer TEXT NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (turn_id, question)
        ) WITHOUT ROWID
        """
    )


def _add_tastes(connection: sqlite3.Connection) -> None:
    """The taste that learns from a session; those from before belong to none."""
    connection.execute("ALTER TABLE sessions ADD COLUMN taste TEXT")


def _add_proposals(connection: sqlite3.Connection) -> None:
    """Slates that were refused, and columns that show another candidate than the one that was selected.

    A turn that is proposed again is another row with the same parent, written `instead_of` the refused one.
    Images belong to candidates, as a column may show several, one after another; `column` is where an image
    was painted for.
    """
    for statement in (
        "ALTER TABLE turns ADD COLUMN proposal INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE turns ADD COLUMN instead_of INTEGER REFERENCES turns (id)",
        "ALTER TABLE candidates ADD COLUMN value REAL",
        """
        CREATE TABLE refusals (
            turn_id INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
            critique TEXT NOT NULL,
            created_at TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE swaps (
            turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            column INTEGER NOT NULL,
            before INTEGER NOT NULL,
            before_value REAL,
            after INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (turn_id, number)
        ) WITHOUT ROWID
        """,
        "ALTER TABLE images RENAME TO placed_images",
        """
        CREATE TABLE images (
            turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            candidate INTEGER NOT NULL,
            position INTEGER NOT NULL,
            column INTEGER NOT NULL,
            seed INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            file TEXT NOT NULL,
            embedding BLOB,
            created_at TEXT NOT NULL,
            PRIMARY KEY (turn_id, candidate, position)
        )
        """,
        """
        INSERT INTO images
        SELECT it.turn_id, coalesce(slates.position, 0), it.position, it.column, it.seed, it.sha256, it.file,
            it.embedding, it.created_at
        FROM placed_images AS it
        LEFT JOIN slates ON slates.turn_id = it.turn_id AND slates.column = it.column
        """,
        "DROP TABLE placed_images",
    ):
        connection.execute(statement)


MIGRATIONS: Mapping[int, Migration] = {
    1: _create,
    2: _add_deletions,
    3: _add_studies,
    4: _add_tastes,
    5: _add_proposals,
}
"""What takes a store to each version from the one before it; version 0 is an empty file."""

VERSION = max(MIGRATIONS)


def connect(path: Path, migrations: Mapping[int, Migration] = MIGRATIONS) -> sqlite3.Connection:
    """Open the store at `path` and bring it to the newest version; its transactions are explicit.

    Every commit is on the disk when it returns (WAL, synchronous FULL). The connection may be used from any
    thread, by one at a time. Raises `StorageError`, also for a store that a newer version has written.
    """
    with sql_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path, migrations)
        except BaseException:
            connection.close()
            raise
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite itself does not wait where two processes do so to a new file at once."""
    _insist(connection, "PRAGMA journal_mode = WAL", threading.Event().wait)


def begin_writing(connection: sqlite3.Connection, pause: Callable[[float], bool]) -> None:
    """Begin a transaction that writes, once no other process does; raises `sqlite3.Error`.

    `pause` waits so many seconds and says whether to give up, which SQLite's own waiting cannot be told.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        _insist(connection, "BEGIN IMMEDIATE", pause)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def _insist(connection: sqlite3.Connection, statement: str, pause: Callable[[float], bool]) -> None:
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end or pause(_PAUSE):
                raise


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Mapping[int, Migration]) -> None:
    newest = max(migrations)
    if _version(connection, path, newest) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have migrated while this one waited
        for version in range(_version(connection, path, newest) + 1, newest + 1):
            migrations[version](connection)
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (version,))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = 0 if row is None else int(row[0])
    if version > newest:
        raise StorageError(
            f"the session store {path} was written by a newer version of pasta (schema {version})",
            f"update pasta: this one reads up to schema {newest}",
        )
    return version


@contextmanager
def sql_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors of a block on the store at `path` into `StorageError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _storage_error(error, path) from error


def _storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    code = _primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(
            f"another process has locked the database {path}", "wait for it or end it, then try again"
        )
    if code == sqlite3.SQLITE_FULL:
        return StorageError(f"no space left to write {path}", "free some space: what was shown is kept")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StorageError(f"{path} cannot be written", "make it writable, or choose another directory")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StorageError(
            f"{path} is damaged or no session store ({error})", "restore it from a copy, or move it away"
        )
    return StorageError(f"{path}: {error}", "check the disk and the space left on it")


def _primary_code(error: sqlite3.Error) -> int:
    # the low byte is the primary code, the rest says more of it
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
