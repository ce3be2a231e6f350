"""Trajectories as frozen data: what a row of the trajectory schema holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pasta_core.data.embedding_bytes import embedding_to_bytes
from pasta_core.domain import Candidate, Choice, Embedding, Image, Slate, Turn, TurnRating

__all__ = [
    "ImageRecord",
    "RefusalRecord",
    "ReplacedRecord",
    "TrajectoryRecord",
    "TurnRecord",
    "image_record",
    "turn_record",
]


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image without its pixels: seed, SHA-256 of its RGB bytes, CLIP embedding (d,), PNG bytes."""

    seed: int
    sha256: str
    embedding: Embedding | None = None
    png: bytes | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageRecord) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def _identity(self) -> tuple[int, str, bytes | None, bytes | None]:
        return self.seed, self.sha256, embedding_to_bytes(self.embedding), self.png


@dataclass(frozen=True)
class ReplacedRecord:
    """What a column of a slate showed before a person put another candidate there."""

    column: int
    candidate: int
    images: tuple[ImageRecord, ...]


@dataclass(frozen=True)
class RefusalRecord:
    """A slate of which a person took nothing; it is no turn, and nothing that learns from turns reads it.

    `turn` is the number of the turn that was proposed again; the rest is as in `TurnRecord`.
    """

    turn: int
    candidates: tuple[Candidate, ...]
    slate: Slate
    columns: tuple[tuple[ImageRecord, ...], ...]
    critique: str = ""
    max_words: int | None = None
    write_seed: int | None = None
    select_seed: int | None = None
    replaced: tuple[ReplacedRecord, ...] = ()


@dataclass(frozen=True)
class TurnRecord:
    """One finished turn: what was written, shown, painted and chosen, and what else is known of it.

    `columns[l][m]` is image m of the slate's prompt l. `utilities` has one value per column, `type_utilities`
    one row of them per user type, `posterior` one value per type after the choice; `reward` is r_t, the
    utility of the chosen column on the rewards' scale of 0 to 10. `replaced` is what
    columns showed before, in the order of the swaps.
    """

    number: int
    candidates: tuple[Candidate, ...]
    slate: Slate
    columns: tuple[tuple[ImageRecord, ...], ...]
    choice: Choice
    max_words: int | None = None
    write_seed: int | None = None
    select_seed: int | None = None
    utilities: tuple[float, ...] | None = None
    posterior: tuple[float, ...] | None = None
    reward: float | None = None
    rating: TurnRating | None = None
    type_utilities: tuple[tuple[float, ...], ...] | None = None
    replaced: tuple[ReplacedRecord, ...] = ()

    @property
    def makes_sense(self) -> bool:
        """Whether slate, choice, columns and utilities name what was written and shown."""
        shown = len(self.slate.indices)
        known = (self.utilities, *(self.type_utilities or ()))
        return (
            all(index in range(len(self.candidates)) for index in self.slate.indices)
            and self.choice.column in range(shown)
            and len(self.columns) in (0, shown)
            and all(row is None or len(row) == shown for row in known)
        )

    @property
    def has_numbers(self) -> bool:
        """Whether utilities, belief and reward are finite where they are known."""
        rows = (self.utilities, self.posterior, *(self.type_utilities or ()))
        reward = () if self.reward is None else (self.reward,)
        return all(_finite(row) for row in (*rows, reward) if row is not None)


def _finite(values: Iterable[float | None]) -> bool:
    """Whether all are finite; what a file leaves out of a list is None."""
    return all(value is not None and math.isfinite(value) for value in values)


@dataclass(frozen=True)
class TrajectoryRecord:
    """One trajectory: how it came about, its initial prompt with turn 0's images, and its finished turns.

    `complete` says that the last planned turn was chosen: sparse rewards exist only then. `settings` and
    `versions` are JSON documents. `refusals` are slates of which nothing was taken, oldest first, those of a
    turn that is not finished included.
    """

    id: str
    source: str
    complete: bool
    user: str
    profile: str
    selector: str
    seed: int
    initial_prompt: str
    initial_images: tuple[ImageRecord, ...] = ()
    turns: tuple[TurnRecord, ...] = ()
    settings: str = "{}"
    versions: str = "{}"
    created_at: datetime | None = None
    user_type: int | None = None
    refusals: tuple[RefusalRecord, ...] = ()

    @property
    def makes_sense(self) -> bool:
        """Whether all its turns do, and know the same user types, of which its user's is one."""
        tables = [turn.type_utilities for turn in self.turns if turn.type_utilities is not None]
        beliefs = [turn.posterior for turn in self.turns if turn.posterior is not None]
        return (
            all(turn.makes_sense for turn in self.turns)
            and len({len(one) for one in (*tables, *beliefs)}) <= 1
            and (self.user_type is None or all(self.user_type in range(len(one)) for one in tables))
        )

    @property
    def has_numbers(self) -> bool:
        """Whether all that is known of its turns is finite."""
        return all(turn.has_numbers for turn in self.turns)


def image_record(image: Image, png: bytes | None = None) -> ImageRecord:
    """The record of an image that has just been painted."""
    return ImageRecord(image.seed, image.sha256, image.embedding, png)


def turn_record(turn: Turn) -> TurnRecord:
    """The record of a chosen turn of a rollout; what else is known of it comes in with `replace`."""
    if turn.choice is None:
        raise ValueError(f"turn {turn.number} has no choice yet")
    columns = tuple(tuple(image_record(image) for image in column) for column in turn.columns)
    return TurnRecord(turn.number, turn.candidates, turn.slate, columns, turn.choice)
