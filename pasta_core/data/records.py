"""What every data set is read as: pairs, ratings, rankings and sessions, each with its rater if it has one.

`group` names the labels that one rater gave: the unit of the E-step's product (§5.3). It is the rater where
the data says who that is, else the finest set of labels that surely have one author (HPD's train set: the
prompt). `weight` multiplies a label's loss, never the posterior.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from pasta_core.data.images import ImageReference
from pasta_core.domain import TurnRating

__all__ = [
    "Kind",
    "Pair",
    "Ranking",
    "Rating",
    "Record",
    "SessionRecord",
    "SessionTurn",
    "Source",
    "SourceReport",
    "Tally",
    "images_of",
]


class Kind(StrEnum):
    """The data sets that can be read, as `KIND:PATH` names them."""

    PICKAPIC = "pickapic"
    HPD = "hpd"
    SAC = "sac"
    IMAGEREWARD = "imagereward"
    PASTA = "pasta"
    TRAJECTORIES = "trajectories"
    SESSIONS = "sessions"


@dataclass(frozen=True)
class Pair:
    """Two images of one prompt and which one a rater preferred (Eq. 5).

    `label` is the preference for image 0: 1 if it won, 0 if image 1 won, 0.5 for a tie. `order` sorts the
    labels of one rater in time (any unit).
    """

    prompt: str
    images: tuple[ImageReference, ImageReference]
    label: float
    rater: str | None
    group: str
    weight: float = 1.0
    order: int = 0

    @property
    def tie(self) -> bool:
        return self.label == 0.5

    @property
    def series(self) -> tuple[str, str]:
        """The series that §6.2 halves into posterior and test: one rater's labels of one prompt."""
        return self.group, self.prompt


@dataclass(frozen=True)
class Rating:
    """One image and how well a rater found it to fit, `value` in [0, 1] (Eq. 6)."""

    prompt: str
    image: ImageReference
    value: float
    rater: str | None
    group: str
    weight: float = 1.0


@dataclass(frozen=True)
class Ranking:
    """Images of one prompt in the order of a rater's liking: `ranks[i]` is image i's, 1 = best, ties equal.

    `item` names the list of images: its averaged ranking (`averaged`, no rater) and each rater's share it.
    """

    prompt: str
    images: tuple[ImageReference, ...]
    ranks: tuple[float, ...]
    rater: str | None
    group: str
    item: str
    averaged: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class SessionTurn:
    """One turn as the rater saw it: `columns[l][m]` is image m of column l.

    `prompts` are the shown expansions, one per column, or empty where the data leaves them out. `choice` is
    the column (0-based) chosen in the interaction phase; `rating` are the answers of the evaluation phase,
    with empty `column_scores` and `score` 0 where a question was not answered.
    """

    number: int
    columns: tuple[tuple[ImageReference, ...], ...]
    choice: int
    prompts: tuple[str, ...] = ()
    critique: str = ""
    rating: TurnRating | None = None


@dataclass(frozen=True)
class SessionRecord:
    """One session: its initial prompt, and its finished turns, oldest first; turns may be missing.

    `complete` says that the last planned turn was chosen. `profile` names the models that painted, where that
    is known, and `encoder` the CLIP (by its fingerprint) that made the embeddings its images carry.
    """

    id: str
    initial_prompt: str
    turns: tuple[SessionTurn, ...]
    rater: str | None
    group: str
    initial_images: tuple[ImageReference, ...] = ()
    complete: bool = True
    profile: str = ""
    encoder: str = ""
    weight: float = 1.0


Record: TypeAlias = Pair | Rating | Ranking | SessionRecord


def images_of(record: Record) -> Iterator[ImageReference]:
    """Every image of a record, in the order it holds them."""
    match record:
        case Pair() | Ranking():
            yield from record.images
        case Rating():
            yield record.image
        case SessionRecord():
            yield from record.initial_images
            for turn in record.turns:
                for column in turn.columns:
                    yield from column


@dataclass
class Tally:
    """What a reader left out and why, and what it wants to say; it grows while records are read."""

    skipped: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)

    def skip(self, why: str, count: int = 1) -> None:
        """Count rows that are not read, under a reason in a few words."""
        self.skipped[why] += count

    def note(self, text: str) -> None:
        """Say something about the whole source, once."""
        self.notes.setdefault(text)


@dataclass(frozen=True)
class SourceReport:
    """What a source holds, as far as it was read (`pasta data check`).

    `labels` counts them by what they are (pairs, ties, ratings, rankings, sessions, turns, ...), `raters` are
    distinct ones, `images` distinct references of which `unreadable` could not be opened; `skipped` says what
    was left out and why, `notes` what else a person should know.
    """

    source: str
    split: str | None
    splits: tuple[str, ...]
    labels: Mapping[str, int]
    prompts: int
    raters: int
    images: int
    opened: int
    unreadable: int
    skipped: Mapping[str, int]
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """A data set on the disk, opened but not yet read."""

    @property
    def kind(self) -> Kind: ...

    @property
    def path(self) -> Path: ...

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits it has, in the publisher's words."""
        ...

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Record]:
        """Read the records of one split (None: of all), in the order they are stored, a few at a time.

        What cannot be used is counted in `tally` and left out. Raises `InvalidInput` for an unknown split
        and for files that are not what they claim to be.
        """
        ...
