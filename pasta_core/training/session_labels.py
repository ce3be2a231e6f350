"""Sessions as the second phase learns from them: choices, in-turn and cross-turn preferences (D.3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pasta_core.data.images import AbsentImage, ImageReference
from pasta_core.data.records import Record, SessionRecord, SessionTurn
from pasta_core.domain import Comparison
from pasta_core.seeds import derive_seed

__all__ = ["CrossTurn", "InTurn", "SessionSet", "TrainingSession", "session_set"]

_PREFERENCE = {Comparison.BETTER: 1.0, Comparison.SAME: 0.5, Comparison.WORSE: 0.0}


@dataclass(frozen=True)
class InTurn:
    """Column `first` of a turn against column `second`: 1, 0, or 0.5 where they satisfied alike."""

    turn: int
    first: int
    second: int
    label: float


@dataclass(frozen=True)
class CrossTurn:
    """The column reconfirmed in a turn against the one reconfirmed in the turn before it (App. B.2)."""

    turn: int
    label: float


@dataclass(frozen=True)
class TrainingSession:
    """One rater's session; turns are numbered by their place here, from 0.

    `images[t][l][m]` is image m of column l; `chosen[t]` the column chosen in the interaction phase (App. B.1
    asks it of all), `selected[t]` the one reconfirmed in the evaluation phase (B.2), which cross-turn labels
    mean; they are the same where nothing was reconfirmed.
    """

    group: str
    prompt: str
    images: tuple[tuple[tuple[ImageReference, ...], ...], ...]
    chosen: tuple[int, ...]
    selected: tuple[int, ...]
    in_turn: tuple[InTurn, ...]
    cross_turn: tuple[CrossTurn, ...]
    weight: float = 1.0
    """Factor of its labels' losses; never of the posterior."""


@dataclass(frozen=True)
class SessionSet:
    """Sessions that all show L columns of M images."""

    sessions: tuple[TrainingSession, ...]
    columns: int
    images: int
    other_shapes: int = 0
    """Turns left out because they have another shape."""
    absent: int = 0
    """Turns left out because the data only names their pictures."""

    def __len__(self) -> int:
        return len(self.sessions)

    def split(self, share: float, most: int, seed: int) -> tuple[SessionSet, SessionSet]:
        """Training and held-out sessions: no rater is in both."""
        raters = sorted({session.group for session in self.sessions})
        rng = np.random.default_rng(derive_seed(seed, "held out"))
        count = min(math.ceil(share * len(raters)), len(raters) - 1)
        chosen = {raters[place] for place in rng.permutation(len(raters))[:count]}
        held_out = [session for session in self.sessions if session.group in chosen][:most]
        training = [session for session in self.sessions if session.group not in chosen]
        return self._of(training), self._of(held_out)

    def _of(self, sessions: Iterable[TrainingSession]) -> SessionSet:
        return SessionSet(tuple(sessions), self.columns, self.images)


def session_set(records: Iterable[Record]) -> SessionSet:
    """The sessions among records, of the shape that most turns have; a session without a turn is left out."""
    found = [record for record in records if isinstance(record, SessionRecord)]
    absent = sum(_absent(turn) for record in found for turn in record.turns)
    shapes = Counter(_shape(turn) for record in found for turn in record.turns if not _absent(turn))
    shapes.pop(None, None)
    if not shapes:
        return SessionSet((), 0, 0, absent=absent)
    shape = max(shapes, key=lambda one: (shapes[one], one))
    assert shape is not None
    sessions = [session for record in found if (session := _session(record, shape)) is not None]
    kept = sum(len(session.chosen) for session in sessions)
    total = sum(len(record.turns) for record in found)
    return SessionSet(tuple(sessions), *shape, other_shapes=total - kept - absent, absent=absent)


def _absent(turn: SessionTurn) -> bool:
    """Whether a picture of the turn is not part of the data: fine-tuning encodes every one anew."""
    return any(isinstance(image, AbsentImage) for column in turn.columns for image in column)


def _shape(turn: SessionTurn) -> tuple[int, int] | None:
    """L and M, None where columns differ in length or the choice names none of them."""
    lengths = {len(column) for column in turn.columns}
    if len(turn.columns) < 2 or len(lengths) != 1 or not 0 <= turn.choice < len(turn.columns):
        return None
    return len(turn.columns), lengths.pop()


def _session(record: SessionRecord, shape: tuple[int, int]) -> TrainingSession | None:
    turns = [turn for turn in record.turns if _shape(turn) == shape and not _absent(turn)]
    if not turns:
        return None
    return TrainingSession(
        group=record.group,
        prompt=record.initial_prompt,
        images=tuple(turn.columns for turn in turns),
        chosen=tuple(turn.choice for turn in turns),
        selected=tuple(_selected(turn) for turn in turns),
        in_turn=tuple(label for place, turn in enumerate(turns) for label in _in_turn(place, turn)),
        cross_turn=tuple(_cross_turn(turns)),
        weight=record.weight,
    )


def _selected(turn: SessionTurn) -> int:
    again = turn.choice if turn.rating is None else turn.rating.preferred
    return again if again in range(len(turn.columns)) else turn.choice


def _in_turn(place: int, turn: SessionTurn) -> Iterable[InTurn]:
    """All pairs of a turn's columns, where the rater said how each one satisfied."""
    scores = () if turn.rating is None else turn.rating.column_scores
    if len(scores) != len(turn.columns):
        return
    for first, second in combinations(range(len(scores)), 2):
        label = 0.5 + 0.5 * float(np.sign(scores[first] - scores[second]))
        yield InTurn(place, first, second, label)


def _cross_turn(turns: Sequence[SessionTurn]) -> Iterable[CrossTurn]:
    """One label a turn that follows the turn before it directly and was compared with it."""
    for place, turn in enumerate(turns):
        comparison = None if turn.rating is None else turn.rating.comparison
        if place and comparison is not None and turns[place - 1].number == turn.number - 1:
            yield CrossTurn(place, _PREFERENCE[comparison])
