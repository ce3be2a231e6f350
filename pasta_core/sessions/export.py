"""From the store to the trajectory schema that every trainer reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pasta_core.data.trajectories import (
    ImageRecord,
    RefusalRecord,
    ReplacedRecord,
    TrajectoryRecord,
    TurnRecord,
    write_trajectories,
)
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import SessionInfo, SessionStatus, StoredImage, StoredTurn
from pasta_core.sessions.rows import settings_to_json
from pasta_core.sessions.store import Store

__all__ = ["SOURCE", "STUDY", "Exported", "export_sessions", "session_record"]

SOURCE = "sessions"
STUDY = "study"
"""The source of sessions of a rater study (App. B)."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote; `lost_images` are those whose files were missing or damaged."""

    path: Path
    trajectories: int
    turns: int
    lost_images: int


def export_sessions(
    store: Store, sessions: Sequence[SessionInfo], path: Path, with_images: bool = False
) -> Exported:
    """Write sessions to one Parquet file, by default without the images themselves. Raises `StorageError`.

    Sessions that nothing was chosen in yet are written too, without turns; a half-done turn is left out, but
    for the slates of it that were refused.
    """
    turns = lost = 0

    def counted(records: Iterable[TrajectoryRecord]) -> Iterator[TrajectoryRecord]:
        nonlocal turns, lost
        for record in records:
            turns += len(record.turns)
            lost += sum(image.png is None for image in _all_images(record)) if with_images else 0
            yield record

    records = (session_record(store, info, with_images) for info in sessions)
    written = write_trajectories(path.absolute(), counted(records))
    return Exported(path.absolute(), written, turns, lost)


def session_record(store: Store, info: SessionInfo, with_images: bool) -> TrajectoryRecord:
    """One session as a trajectory: its finished turns on the path it stands on.

    It holds no name of the person and no path of the machine; the user of a study is its drawn rater's name.
    """
    turns = store.turns(info.id)
    start = [turn for turn in turns if turn.number == 0]
    made_of = info.made_of
    return TrajectoryRecord(
        id=info.id,
        source=STUDY if made_of.study else SOURCE,
        complete=info.status is SessionStatus.FINISHED,
        user=info.rater or made_of.user,
        profile=made_of.profile,
        selector=made_of.selector,
        seed=made_of.seed,
        initial_prompt=made_of.prompt,
        initial_images=tuple(_image(image, with_images) for turn in start for image in turn.images.values()),
        turns=tuple(record for turn in turns for record in _turn(turn, with_images)),
        settings=settings_to_json(made_of.settings),
        versions=json.dumps(dict(made_of.versions), sort_keys=True),
        created_at=info.created_at,
        refusals=tuple(_refusal(it, with_images) for turn in turns for it in turn.refused),
    )


def _turn(turn: StoredTurn, with_images: bool) -> Iterator[TurnRecord]:
    """The record of a turn that has been chosen; nothing for turn 0 and a half-done one."""
    if turn.slate is None or turn.choice is None:
        return
    yield TurnRecord(
        number=turn.number,
        candidates=turn.candidates,
        slate=turn.slate,
        columns=_columns(turn, with_images),
        choice=turn.choice,
        max_words=turn.max_words,
        write_seed=turn.write_seed,
        select_seed=turn.select_seed,
        rating=turn.rating,
        replaced=_replaced(turn, with_images),
    )


def _refusal(turn: StoredTurn, with_images: bool) -> RefusalRecord:
    """The record of a slate that was refused, whether its turn has been chosen since or not."""
    assert turn.slate is not None and turn.refusal is not None
    return RefusalRecord(
        turn=turn.number,
        candidates=turn.candidates,
        slate=turn.slate,
        columns=_columns(turn, with_images),
        critique=turn.refusal.critique,
        max_words=turn.max_words,
        write_seed=turn.write_seed,
        select_seed=turn.select_seed,
        replaced=_replaced(turn, with_images),
    )


def _columns(turn: StoredTurn, with_images: bool) -> tuple[tuple[ImageRecord, ...], ...]:
    assert turn.slate is not None
    return tuple(
        tuple(_image(image, with_images) for (at, _), image in turn.images.items() if at == column)
        for column in range(len(turn.slate.indices))
    )


def _replaced(turn: StoredTurn, with_images: bool) -> tuple[ReplacedRecord, ...]:
    """What columns showed before, in the order in which it was swapped out."""
    return tuple(
        ReplacedRecord(
            it.swap.column,
            it.before,
            tuple(
                _image(image, with_images)
                for (candidate, _), image in turn.paintings.items()
                if candidate == it.before
            ),
        )
        for it in turn.swaps
    )


def _image(stored: StoredImage, with_image: bool) -> ImageRecord:
    intact = with_image and read_image(stored) is not None
    png = stored.path.read_bytes() if intact else None
    return ImageRecord(stored.seed, stored.sha256, stored.embedding, png)


def _all_images(record: TrajectoryRecord) -> Iterator[ImageRecord]:
    yield from record.initial_images
    slates: list[TurnRecord | RefusalRecord] = [*record.turns, *record.refusals]
    for slate in slates:
        for column in slate.columns:
            yield from column
        for replaced in slate.replaced:
            yield from replaced.images
