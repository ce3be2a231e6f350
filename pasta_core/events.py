"""What happens in a rollout, as frozen events: one stream for the interface, the command line and the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pasta_core.domain import Candidate, Choice, Image, Pixels, Slate, Swap, TurnRating

__all__ = [
    "CandidatesReady",
    "Chosen",
    "Event",
    "Failed",
    "Finished",
    "ImagePreview",
    "ImageReady",
    "Note",
    "PaintingProgress",
    "Rated",
    "Refused",
    "SessionStarted",
    "SlateChosen",
    "Swapped",
    "TurnReady",
    "WritingProgress",
    "WritingStarted",
]


@dataclass(frozen=True)
class Event:
    """Anything that happens in a rollout; an event that has been emitted is durable, but for previews.

    `replayed` events tell again what was durable before this run of the rollout began.
    """

    replayed: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class SessionStarted(Event):
    session: str
    prompt: str
    seed: int
    profile: str
    selector: str
    resumed: bool = False


@dataclass(frozen=True)
class Note(Event):
    """One line the person should read once: unknown words, a restarted worker, stripped characters."""

    text: str


@dataclass(frozen=True)
class WritingStarted(Event):
    turn: int
    max_words: int


@dataclass(frozen=True)
class WritingProgress(Event):
    turn: int
    done: int
    total: int


@dataclass(frozen=True)
class CandidatesReady(Event):
    """What was written for a turn; `proposal` counts how often the turn was refused before."""

    turn: int
    candidates: tuple[Candidate, ...]
    proposal: int = 0


@dataclass(frozen=True)
class SlateChosen(Event):
    turn: int
    slate: Slate
    proposal: int = 0


@dataclass(frozen=True)
class PaintingProgress(Event):
    """Denoising steps done of all that the turn needs."""

    turn: int
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class ImagePreview(Event):
    """What an image that is being painted looks like so far: RGB, (h, w, 3), small. Never stored."""

    turn: int
    column: int
    index: int
    pixels: Pixels


@dataclass(frozen=True)
class ImageReady(Event):
    """An image is finished and lies at `path` (None in a rollout that keeps no files)."""

    turn: int
    column: int
    index: int
    image: Image
    path: Path | None = None


@dataclass(frozen=True)
class TurnReady(Event):
    """All images of the turn are finished (turn 0 is the initial prompt's); now the user chooses.

    It is told again when a swap is painted.
    """

    turn: int
    candidates: tuple[Candidate, ...]
    slate: Slate
    columns: tuple[tuple[Image, ...], ...]
    paths: tuple[tuple[Path | None, ...], ...] = ()
    proposal: int = 0


@dataclass(frozen=True)
class Swapped(Event):
    """A column shows another candidate, whose images are still to be painted; `slate` is the one with it."""

    turn: int
    swap: Swap
    slate: Slate


@dataclass(frozen=True)
class Refused(Event):
    """The slate of a turn's `proposal` (from 0) was refused as a whole; the turn is proposed again."""

    turn: int
    proposal: int
    critique: str = ""


@dataclass(frozen=True)
class Chosen(Event):
    turn: int
    choice: Choice


@dataclass(frozen=True)
class Rated(Event):
    """What a rater answered about a turn; told of all turns once the evaluation phase has ended."""

    session: str
    turn: int
    rating: TurnRating


@dataclass(frozen=True)
class Finished(Event):
    """The last choice is made: the chosen prompt and its images."""

    session: str
    prompt: str
    images: tuple[Image, ...]
    paths: tuple[Path | None, ...] = ()


@dataclass(frozen=True)
class Failed(Event):
    message: str
    hint: str = ""
    retryable: bool = False
