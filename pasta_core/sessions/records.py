"""What the store tells of a session: frozen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pasta_core.domain import Candidate, Choice, Embedding, NoneOfThese, Slate, Swap, TurnRating
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import Painting, Place

__all__ = ["PERSON", "NewSession", "SessionInfo", "SessionStatus", "StoredImage", "StoredSwap", "StoredTurn"]

PERSON = "person"
"""The user of a session that somebody plays at the keyboard."""


class SessionStatus(StrEnum):
    """How far a session is: it can be resumed while it is active or abandoned."""

    ACTIVE = "active"
    FINISHED = "finished"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class NewSession:
    """What a session is made of, all that a resume needs to go on exactly as it began.

    `user` is `PERSON` or the specification of a rater, `blind` hides prompts and categories from the user.
    In a `study` (App. B) the evaluation phase follows the last turn. `taste` is the name of the taste that
    learns from the session and that the selector may go by, None for none.
    """

    prompt: str
    seed: int
    profile: str
    selector: str
    user: str = PERSON
    blind: bool = False
    settings: SessionSettings = field(default_factory=SessionSettings)
    versions: Mapping[str, str] = field(default_factory=dict)
    study: bool = False
    taste: str | None = None


@dataclass(frozen=True)
class SessionInfo:
    """A session's row: what it was made of, when, and how far it is (`turns_chosen` of `settings.turns`).

    Of a study, `rater` is who rates, a drawn name where that is a person, and `rated_at` when the evaluation
    phase was ended.
    """

    id: str
    made_of: NewSession
    created_at: datetime
    updated_at: datetime
    status: SessionStatus
    starred: bool
    turns_chosen: int
    rater: str | None = None
    rated_at: datetime | None = None

    @property
    def waits_for_rating(self) -> bool:
        """Whether it is a study whose turns are chosen and whose questions are not all answered."""
        return self.made_of.study and self.status is SessionStatus.FINISHED and self.rated_at is None


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image's row: its seed, the SHA-256 of its RGB bytes, its file and its CLIP embedding."""

    seed: int
    sha256: str
    path: Path
    embedding: Embedding | None


@dataclass(frozen=True)
class StoredSwap:
    """A swap's row, and which candidate (an index) the column showed before."""

    swap: Swap
    before: int


@dataclass(frozen=True)
class StoredTurn:
    """A turn's rows, in the order of the path that the session stands on.

    `selected` is the slate that the selector chose, `slate` what is on the screen after `swaps`. `images` are
    those on the screen by column, `paintings` those of all candidates that were ever shown. `refused` are the
    slates that were refused before, oldest first, each with its `refusal`; the turn has no candidates where
    the next proposal is not written yet.
    """

    id: int
    number: int
    max_words: int | None = None
    write_seed: int | None = None
    select_seed: int | None = None
    candidates: tuple[Candidate, ...] = ()
    selected: Slate | None = None
    slate: Slate | None = None
    images: Mapping[Place, StoredImage] = field(default_factory=dict)
    choice: Choice | None = None
    chosen_at: datetime | None = None
    rating: TurnRating | None = None
    swaps: tuple[StoredSwap, ...] = ()
    paintings: Mapping[Painting, StoredImage] = field(default_factory=dict)
    refusal: NoneOfThese | None = None
    refused_at: datetime | None = None
    refused: tuple[StoredTurn, ...] = ()

    @property
    def proposals(self) -> tuple[StoredTurn, ...]:
        """The slates that were refused, and what follows them."""
        return (*self.refused, self)
