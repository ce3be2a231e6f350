"""Single steps of a session as rows: one function per step, each within its caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from pasta_core.data.embedding_bytes import embedding_to_bytes
from pasta_core.domain import Candidate, Choice, Image, NoneOfThese, Slate, Swap, TurnRating
from pasta_core.sessions.images import image_file
from pasta_core.sessions.rows import is_refused, proposal_of, shows, turn_ids
from pasta_core.simulation.recorder import Spot

__all__ = [
    "kept_file",
    "turn_row",
    "write_answers",
    "write_candidates",
    "write_choice",
    "write_image_row",
    "write_rating",
    "write_refusal",
    "write_slate",
    "write_swap",
]


def turn_row(
    sql: sqlite3.Connection, session: str, number: int, now: str, proposal: int | None = None
) -> int:
    """The row of a turn's latest proposal on the session's path, begun if it is not there yet.

    One that was refused is the latest only for whoever names a `proposal` that is there.
    """
    path = turn_ids(sql, session)
    latest = path.get(number)
    before = None
    if latest is not None:
        before = sql.execute("SELECT * FROM turns WHERE id = ?", (latest,)).fetchone()
        asked = proposal is not None and proposal <= before["proposal"]
        if asked or not is_refused(sql, latest):
            return latest
    inserted = sql.execute(
        "INSERT INTO turns (session_id, parent_turn_id, number, created_at, proposal, instead_of)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(session, path.get(number - 1), number, now),
            *(0 if before is None else before["proposal"] + 1, latest),
        ),
    )
    sql.execute("UPDATE sessions SET head_turn_id = ? WHERE id = ?", (inserted.lastrowid, session))
    row = inserted.lastrowid
    assert row is not None
    return row


def write_candidates(
    sql: sqlite3.Connection, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
) -> None:
    """Keep what was written for a turn."""
    sql.execute("UPDATE turns SET max_words = ?, write_seed = ? WHERE id = ?", (max_words, seed, turn))
    sql.executemany(
        "INSERT INTO candidates (turn_id, position, category, prompt) VALUES (?, ?, ?, ?)",
        [(turn, position, it.category, it.prompt) for position, it in enumerate(candidates)],
    )


def write_slate(sql: sqlite3.Connection, turn: int, slate: Slate, seed: int) -> None:
    """Keep what is shown, with the values that the selector predicted."""
    values = slate.values or (None,) * len(slate.indices)
    shown = list(zip(slate.indices, values, strict=True))
    sql.execute("UPDATE turns SET select_seed = ? WHERE id = ?", (seed, turn))
    sql.executemany(
        "INSERT INTO slates (turn_id, column, position, value) VALUES (?, ?, ?, ?)",
        [(turn, column, position, value) for column, (position, value) in enumerate(shown)],
    )
    sql.executemany(
        "UPDATE candidates SET value = ? WHERE turn_id = ? AND position = ?",
        [(value, turn, position) for position, value in enumerate(slate.all_values or ())],
    )


def kept_file(sql: sqlite3.Connection, session: str, spot: Spot) -> tuple[str | None, str]:
    """The file of an image that was kept before, below the store, if it was; and its name in its session."""
    latest = turn_ids(sql, session).get(spot.turn)
    if latest is None:
        return None, image_file(spot)
    row = proposal_of(sql, latest, spot.proposal)
    kept = sql.execute(
        "SELECT file FROM images WHERE turn_id = ? AND candidate = ? AND position = ?",
        (row, spot.candidate, spot.index),
    ).fetchone()
    swapped = sql.execute(
        "SELECT 1 FROM swaps WHERE turn_id = ? AND column = ? AND after = ?",
        (row, spot.column, spot.candidate),
    ).fetchone()
    return None if kept is None else str(kept["file"]), image_file(spot, swapped is not None)


def write_image_row(
    sql: sqlite3.Connection, turn: int, spot: Spot, image: Image, file: str, now: str
) -> None:
    """Keep an image's row, in place of the one that was there; its `file` lies below the store."""
    sql.execute(
        "INSERT OR REPLACE INTO images"
        " (turn_id, candidate, position, column, seed, sha256, file, embedding, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(turn, spot.candidate, spot.index, spot.column, image.seed, image.sha256),
            *(file, embedding_to_bytes(image.embedding), now),
        ),
    )


def write_swap(sql: sqlite3.Connection, turn: int, swap: Swap, now: str) -> None:
    """Keep that a column shows another candidate, and which one it showed before."""
    before = shows(sql, turn)[swap.column]
    where = (turn, swap.candidate)
    value = sql.execute("SELECT value FROM candidates WHERE turn_id = ? AND position = ?", where)
    sql.execute(
        "INSERT INTO swaps (turn_id, number, column, before, before_value, after, created_at) SELECT"
        " ?1, (SELECT count(*) FROM swaps WHERE turn_id = ?1), ?, ?, ?, ?, ?",
        (turn, swap.column, before["position"], before["value"], swap.candidate, now),
    )
    sql.execute(
        "UPDATE slates SET position = ?, value = ? WHERE turn_id = ? AND column = ?",
        (swap.candidate, value.fetchone()["value"], turn, swap.column),
    )


def write_refusal(sql: sqlite3.Connection, turn: int, refusal: NoneOfThese, now: str) -> None:
    """Keep that a slate was refused."""
    sql.execute(
        "INSERT INTO refusals (turn_id, critique, created_at) VALUES (?, ?, ?)",
        (turn, refusal.critique, now),
    )


def write_choice(sql: sqlite3.Connection, turn: int, choice: Choice, now: str) -> None:
    """Keep what was chosen, and the critique."""
    sql.execute(
        "INSERT INTO choices (turn_id, column, critique, created_at) VALUES (?, ?, ?, ?)",
        (turn, choice.column, choice.critique, now),
    )


def write_answers(sql: sqlite3.Connection, turn: int, answers: Mapping[str, str], now: str) -> None:
    """Keep answers by their questions, in place of earlier ones."""
    sql.executemany(
        "INSERT OR REPLACE INTO answers (turn_id, question, answer, created_at) VALUES (?, ?, ?, ?)",
        [(turn, question, answer, now) for question, answer in answers.items()],
    )


def write_rating(sql: sqlite3.Connection, turn: int, rating: TurnRating, now: str) -> None:
    """Keep a turn's rating, in place of an earlier one."""
    comparison = None if rating.comparison is None else rating.comparison.value
    sql.execute("DELETE FROM ratings WHERE turn_id = ?", (turn,))
    sql.execute(
        "INSERT INTO ratings (turn_id, preferred, score, comparison, rationale, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (turn, rating.preferred, rating.score, comparison, rating.rationale, now),
    )
    sql.executemany(
        "INSERT INTO column_scores (turn_id, column, score) VALUES (?, ?, ?)",
        [(turn, column, score) for column, score in enumerate(rating.column_scores)],
    )
