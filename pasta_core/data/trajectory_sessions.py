"""Our own trajectories as session records: what `pasta sessions export` and `pasta simulate` write."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pasta_core.data.images import AbsentImage, EncodedImage, ImageReference
from pasta_core.data.records import Kind, SessionRecord, SessionTurn, Tally
from pasta_core.data.splits import HASHED, checked_split, split_of
from pasta_core.data.trajectories import (
    DamagedTrajectories,
    ImageRecord,
    TrajectoryRecord,
    TurnRecord,
    clip_of,
    read_trajectories,
)
from pasta_core.errors import InvalidInput

__all__ = ["TrajectorySessions"]

_HASH = re.compile("[0-9a-fA-F]{64}")

PERSON = "person"
"""The user of a session at the keyboard: nobody else, but not the same one in every file."""


@dataclass(frozen=True)
class TrajectorySessions:
    """A Parquet file of trajectories, or a folder of them.

    There is no published split: users are split by a hash of their name, a person's sessions by that of the
    session.
    """

    path: Path
    kind: Kind
    files: tuple[Path, ...]
    splits = HASHED

    @classmethod
    def open(cls, path: Path, kind: Kind) -> TrajectorySessions:
        """Find the files; `InvalidInput` where there are none, or the first is none of ours."""
        files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
        if not files:
            raise InvalidInput(f"{path} holds no trajectories", "name a Parquet file, or a folder of them")
        return cls(path, kind, files)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[SessionRecord]:
        """One record per trajectory."""
        tally = tally or Tally()
        wanted = checked_split(split, self)
        for file in self.files:
            for trajectory in _read(file, tally):
                named = trajectory.user != PERSON
                if split_of(trajectory.user if named else trajectory.id) in wanted:
                    rater = trajectory.user if named else f"{PERSON}:{file.stem}"
                    yield self._record(trajectory, rater, tally)

    def _record(self, trajectory: TrajectoryRecord, rater: str, tally: Tally) -> SessionRecord:
        return SessionRecord(
            id=trajectory.id,
            initial_prompt=trajectory.initial_prompt,
            turns=tuple(_turn(turn) for turn in trajectory.turns if _makes_sense(turn, tally)),
            rater=rater,
            group=rater,
            initial_images=_images(trajectory.initial_images),
            complete=trajectory.complete,
            profile=trajectory.profile,
            encoder=clip_of(trajectory),
        )


def _read(file: Path, tally: Tally) -> Iterator[TrajectoryRecord]:
    try:
        yield from read_trajectories(file)
    except DamagedTrajectories as error:
        tally.skip("the file is damaged from here on")
        tally.note(error.message)


def _makes_sense(turn: TurnRecord, tally: Tally) -> bool:
    """Whether slate, choice and answers name what was shown; counted where they do not."""
    shown = range(len(turn.slate.indices))
    sensible = (
        turn.makes_sense
        and len(turn.columns) == len(shown)
        and (turn.rating is None or turn.rating.preferred in shown)
    )
    if not sensible:
        tally.skip("a turn names a prompt or a column that it has not")
    return sensible


def _turn(turn: TurnRecord) -> SessionTurn:
    return SessionTurn(
        number=turn.number,
        columns=tuple(_images(column) for column in turn.columns),
        choice=turn.choice.column,
        prompts=tuple(turn.candidates[index].prompt for index in turn.slate.indices),
        critique=turn.choice.critique,
        rating=turn.rating,
    )


def _images(records: tuple[ImageRecord, ...]) -> tuple[ImageReference, ...]:
    return tuple(_image(record) for record in records)


def _image(record: ImageRecord) -> ImageReference:
    """An image under its hash; where that is none, what it holds can only be known by its own bytes."""
    if _HASH.fullmatch(record.sha256) is None:
        if record.png is None:
            return AbsentImage("an image without a hash")
        return EncodedImage(f"png:{hashlib.sha256(record.png).hexdigest()}", record.png)
    known = record.sha256.lower()
    if record.png is None:
        return AbsentImage(known, known_sha256=known, embedding=record.embedding)
    return EncodedImage(known, record.png, known_sha256=known, embedding=record.embedding)
