"""The tables of the session store, their version, and how an older store becomes a current one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

__all__ = ["MIGRATIONS", "VERSION", "Migration"]

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
