"""A connection to the session store: opened and brought up to date, waited for, its errors in words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pasta_core.errors import StorageError
from pasta_core.sessions.schema import MIGRATIONS, Migration

__all__ = ["BUSY_SECONDS", "begin_writing", "connect", "sql_errors"]

BUSY_SECONDS = 5.0
"""How long a statement waits for another process's transaction."""
_PAUSE = 0.02
"""Seconds after which a store that was locked is tried again."""


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
