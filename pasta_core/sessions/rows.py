"""From the store's rows to frozen data: one function per table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pasta_core.data.embedding_bytes import embedding_from_bytes
from pasta_core.domain import (
    Candidate,
    CandidateForm,
    Choice,
    Comparison,
    NoneOfThese,
    Slate,
    Swap,
    TurnRating,
)
from pasta_core.errors import StorageError
from pasta_core.sessions.identity import new_rater
from pasta_core.sessions.records import (
    PERSON,
    NewSession,
    SessionInfo,
    SessionStatus,
    StoredImage,
    StoredSwap,
    StoredTurn,
)
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import Painting

__all__ = [
    "SESSION_QUERY",
    "is_refused",
    "proposal_of",
    "rater_name",
    "read_answers",
    "read_session",
    "read_turns",
    "settings_from_json",
    "settings_to_json",
    "shows",
    "turn_ids",
]

_PATH = """
    WITH RECURSIVE path (id, parent_turn_id, number) AS (
        SELECT turns.id, turns.parent_turn_id, turns.number
        FROM turns JOIN sessions ON sessions.head_turn_id = turns.id
        WHERE sessions.id = ?
        UNION ALL
        SELECT turns.id, turns.parent_turn_id, turns.number
        FROM turns JOIN path ON turns.id = path.parent_turn_id
    )
"""

SESSION_QUERY = """
    SELECT sessions.*, (
        WITH RECURSIVE path (id, parent_turn_id) AS (
            SELECT id, parent_turn_id FROM turns WHERE id = sessions.head_turn_id
            UNION ALL
            SELECT turns.id, turns.parent_turn_id FROM turns JOIN path ON turns.id = path.parent_turn_id
        )
        SELECT count(*) FROM choices WHERE turn_id IN (SELECT id FROM path)
    ) AS turns_chosen
    FROM sessions
"""


def settings_to_json(settings: SessionSettings) -> str:
    """Settings as the store keeps them."""
    return json.dumps(asdict(settings), sort_keys=True)


def settings_from_json(text: str) -> SessionSettings:
    """Settings back from the store; `StorageError` where they hold what this version does not know."""
    try:
        values: dict[str, Any] = json.loads(text)
        form = CandidateForm(**values.pop("form"))
        return SessionSettings(form=form, **values)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"a session's settings cannot be read ({error})", "a newer version of pasta may have written them"
        ) from error


def read_session(row: sqlite3.Row) -> SessionInfo:
    """One row of `SESSION_QUERY`."""
    return SessionInfo(
        id=row["id"],
        made_of=NewSession(
            prompt=row["prompt"],
            seed=row["seed"],
            profile=row["profile"],
            selector=row["selector"],
            user=row["user"],
            blind=bool(row["blind"]),
            settings=settings_from_json(row["settings"]),
            versions=json.loads(row["versions"]),
            study=row["rater"] is not None,
            taste=row["taste"],
        ),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        status=SessionStatus(row["status"]),
        starred=bool(row["starred"]),
        turns_chosen=row["turns_chosen"],
        rater=row["rater"],
        rated_at=None if row["rated_at"] is None else datetime.fromisoformat(row["rated_at"]),
    )


def turn_ids(connection: sqlite3.Connection, session: str) -> dict[int, int]:
    """The row ids of the turns on a session's path, by turn number, oldest first."""
    rows = connection.execute(_PATH + "SELECT number, id FROM path ORDER BY number", (session,))
    return {row["number"]: row["id"] for row in rows}


def read_turns(connection: sqlite3.Connection, session: str, root: Path) -> Iterator[StoredTurn]:
    """The turns on a session's path, oldest first, each with its latest proposal; images lie below `root`."""
    for number, latest in turn_ids(connection, session).items():
        *refused, turn = [_read_turn(connection, row, root) for row in _proposals(connection, latest)]
        if turn.refusal is None:
            yield replace(turn, refused=tuple(refused))
        else:
            yield StoredTurn(latest, number, refused=(*refused, turn))


def is_refused(connection: sqlite3.Connection, turn: int) -> bool:
    """Whether a turn's slate was refused, so that nothing more belongs to it."""
    return connection.execute("SELECT 1 FROM refusals WHERE turn_id = ?", (turn,)).fetchone() is not None


def proposal_of(connection: sqlite3.Connection, latest: int, proposal: int) -> int:
    """The row of one proposal of a turn, given the row of its latest."""
    return _proposals(connection, latest)[proposal]


def shows(connection: sqlite3.Connection, turn: int) -> list[sqlite3.Row]:
    """What each column of a turn shows: `position`, the candidate's, and its predicted `value`."""
    return connection.execute(
        "SELECT position, value FROM slates WHERE turn_id = ? ORDER BY column", (turn,)
    ).fetchall()


def _proposals(connection: sqlite3.Connection, latest: int) -> list[int]:
    """The rows of a turn's proposals, oldest first."""
    rows = [latest]
    while (row := connection.execute("SELECT instead_of FROM turns WHERE id = ?", (rows[-1],)).fetchone())[0]:
        rows.append(row[0])
    return rows[::-1]


def _read_turn(connection: sqlite3.Connection, turn: int, root: Path) -> StoredTurn:
    row = connection.execute("SELECT * FROM turns WHERE id = ?", (turn,)).fetchone()
    selected, slate = _slates(connection, turn)
    paintings = _paintings(connection, turn, root)
    shown = (0,) if slate is None else slate.indices
    refusal = connection.execute("SELECT * FROM refusals WHERE turn_id = ?", (turn,)).fetchone()
    return StoredTurn(
        id=turn,
        number=row["number"],
        max_words=row["max_words"],
        write_seed=row["write_seed"],
        select_seed=row["select_seed"],
        candidates=_candidates(connection, turn),
        selected=selected,
        slate=slate,
        images={
            (column, index): paintings[candidate, index]
            for column, candidate in enumerate(shown)
            for it, index in sorted(paintings)
            if it == candidate
        },
        choice=_choice(connection, turn),
        chosen_at=_chosen_at(connection, turn),
        rating=_rating(connection, turn),
        swaps=tuple(
            StoredSwap(Swap(it["column"], it["after"]), it["before"]) for it in _swaps(connection, turn)
        ),
        paintings=paintings,
        refusal=None if refusal is None else NoneOfThese(refusal["critique"]),
        refused_at=None if refusal is None else datetime.fromisoformat(refusal["created_at"]),
    )


def _candidates(connection: sqlite3.Connection, turn: int) -> tuple[Candidate, ...]:
    rows = connection.execute(
        "SELECT prompt, category FROM candidates WHERE turn_id = ? ORDER BY position", (turn,)
    )
    return tuple(Candidate(row["prompt"], row["category"]) for row in rows)


def _slates(connection: sqlite3.Connection, turn: int) -> tuple[Slate | None, Slate | None]:
    """The slate as it was selected, and as it is on the screen."""
    now = [(row["position"], row["value"]) for row in shows(connection, turn)]
    if not now:
        return None, None
    known = connection.execute("SELECT value FROM candidates WHERE turn_id = ? ORDER BY position", (turn,))
    values = tuple(row["value"] for row in known)
    first = list(now)
    for swap in reversed(_swaps(connection, turn)):
        first[swap["column"]] = swap["before"], swap["before_value"]
    return _slate(first, values), _slate(now, values)


def _slate(shown: Sequence[tuple[int, float | None]], known: tuple[float | None, ...]) -> Slate:
    values = tuple(value for _, value in shown if value is not None)
    everything = tuple(value for value in known if value is not None)
    return Slate(
        tuple(position for position, _ in shown),
        values if len(values) == len(shown) else None,
        everything if known and len(everything) == len(known) else None,
    )


def _swaps(connection: sqlite3.Connection, turn: int) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM swaps WHERE turn_id = ? ORDER BY number", (turn,)).fetchall()


def _paintings(connection: sqlite3.Connection, turn: int, root: Path) -> dict[Painting, StoredImage]:
    rows = connection.execute("SELECT * FROM images WHERE turn_id = ? ORDER BY column, position", (turn,))
    return {
        (row["candidate"], row["position"]): StoredImage(
            row["seed"], row["sha256"], root / row["file"], embedding_from_bytes(row["embedding"])
        )
        for row in rows
    }


def _choice(connection: sqlite3.Connection, turn: int) -> Choice | None:
    row = connection.execute("SELECT column, critique FROM choices WHERE turn_id = ?", (turn,)).fetchone()
    return None if row is None else Choice(row["column"], row["critique"])


def _chosen_at(connection: sqlite3.Connection, turn: int) -> datetime | None:
    row = connection.execute("SELECT created_at FROM choices WHERE turn_id = ?", (turn,)).fetchone()
    return None if row is None else datetime.fromisoformat(row["created_at"])


def rater_name(connection: sqlite3.Connection, new: NewSession, draw: Callable[[int], int]) -> str | None:
    """Who rates in a study: one drawn name for the person of this store, a planted rater by its own."""
    if not new.study or new.user != PERSON:
        return new.user if new.study else None
    known = connection.execute(
        "SELECT rater FROM sessions WHERE user = ? AND rater IS NOT NULL ORDER BY rowid LIMIT 1", (PERSON,)
    ).fetchone()
    return new_rater(draw) if known is None else str(known["rater"])


def read_answers(connection: sqlite3.Connection, session: str) -> dict[tuple[int, str], str]:
    """The answers about the turns on a session's path, by turn and question."""
    rows = connection.execute(
        _PATH + "SELECT number, question, answer FROM answers JOIN path ON path.id = turn_id", (session,)
    )
    return {(row["number"], row["question"]): row["answer"] for row in rows}


def _rating(connection: sqlite3.Connection, turn: int) -> TurnRating | None:
    row = connection.execute("SELECT * FROM ratings WHERE turn_id = ?", (turn,)).fetchone()
    if row is None:
        return None
    scores = connection.execute("SELECT score FROM column_scores WHERE turn_id = ? ORDER BY column", (turn,))
    return TurnRating(
        preferred=row["preferred"],
        column_scores=tuple(score["score"] for score in scores),
        score=row["score"],
        comparison=None if row["comparison"] is None else Comparison(row["comparison"]),
        rationale=row["rationale"],
    )
