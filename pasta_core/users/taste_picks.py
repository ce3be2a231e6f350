"""What a taste is made of: picks, each with the CLIP features of all that was shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Embedding
from pasta_core.errors import InvalidInput

__all__ = ["Key", "Pick", "forgotten", "merged", "normalised", "ordered", "pick_weights"]

Key = tuple[str, int, int]
"""What tells one pick from another: its session, its turn, and how often that was refused before."""

_SHORTEST = 1e-6


@dataclass(frozen=True, eq=False)
class Pick:
    """One answer: what was shown, in CLIP's words, and what was taken.

    Row 0 is the initial prompt and what it was painted as, row l + 1 is column l. `images` (L + 1, d) are
    means of normalised image embeddings, `texts` (L + 1, d) are normalised embeddings of `prompts`. `chosen`
    holds one column (0-based); several that are equally good, a tie; or none, where no column beats the
    initial prompt. `outside` says whether "none of these" is one of the alternatives. `critique_text` (d,) is
    the normalised embedding of the initial prompt with the critique behind it. `proposal` slates of the same
    turn were refused before this one.
    """

    session: str
    turn: int
    when: datetime
    prompts: tuple[str, ...]
    images: Embedding
    texts: Embedding
    chosen: tuple[int, ...]
    outside: bool = False
    critique: str = ""
    critique_text: Embedding | None = None
    proposal: int = 0

    def __post_init__(self) -> None:
        columns = len(self.prompts) - 1
        shape = (columns + 1, self.images.shape[-1] if self.images.ndim else 0)
        if columns < 1 or self.images.shape != shape or self.texts.shape != shape or not shape[1]:
            raise InvalidInput(f"a pick of {columns} columns has features of another shape")
        rows = [self.images, self.texts] + ([] if self.critique_text is None else [self.critique_text[None]])
        if rows[-1].shape[-1] != shape[1] or not all(np.isfinite(row).all() for row in rows):
            raise InvalidInput("a pick's features are no numbers, or too few")
        if any(not 0 <= column < columns for column in self.chosen):
            raise InvalidInput(f"a pick of {columns} columns has chosen {self.chosen}")
        if len(set(self.chosen)) != len(self.chosen) or (not self.chosen and not self.outside):
            raise InvalidInput("a pick has chosen nothing, or a column twice")
        if self.proposal < 0:
            raise InvalidInput(f"a pick is of proposal {self.proposal}")
        if self.when.tzinfo is None:
            raise InvalidInput("a pick's time has no time zone")

    @property
    def key(self) -> Key:
        """Its session, turn and proposal."""
        return self.session, self.turn, self.proposal

    @property
    def refused(self) -> bool:
        """Whether no column was taken, but the initial prompt's own picture."""
        return not self.chosen

    @property
    def dimension(self) -> int:
        """d, the length of an embedding."""
        return int(self.images.shape[1])

    @property
    def columns(self) -> int:
        """L."""
        return len(self.prompts) - 1


def normalised(embeddings: npt.ArrayLike) -> Embedding:
    """Embeddings (..., d) at length 1; one of zeros stays zero."""
    rows = np.asarray(embeddings, np.float64)
    lengths = np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), _SHORTEST)
    return np.asarray(rows / lengths, np.float32)


def ordered(picks: Iterable[Pick]) -> tuple[Pick, ...]:
    """The picks by session, turn and proposal: whatever order they come in, all is summed in this one."""
    return tuple(sorted(picks, key=lambda pick: pick.key))


def merged(*tastes: Iterable[Pick]) -> tuple[Pick, ...]:
    """The union of picks; of two of the same session, turn and proposal, the later one is kept."""
    found: dict[Key, Pick] = {}
    for pick in ordered(pick for taste in tastes for pick in taste):
        known = found.get(pick.key)
        if known is None or _rank(known) < _rank(pick):
            found[pick.key] = pick
    return ordered(found.values())


def forgotten(picks: Iterable[Pick], session: str) -> tuple[Pick, ...]:
    """The picks without those of a session."""
    return ordered(pick for pick in picks if pick.session != session)


def pick_weights(
    picks: Sequence[Pick], now: datetime, half_life: timedelta | None, strength: float = 1.0
) -> npt.NDArray[np.float64]:
    """How much each pick counts (n,): `strength`, halved with every `half_life` of its age at `now`."""
    if half_life is None:
        return np.full(len(picks), strength)
    ages = np.array([max((now - pick.when) / half_life, 0.0) for pick in picks])
    return np.asarray(strength * 0.5**ages)


def _rank(pick: Pick) -> tuple[datetime, bytes]:
    """Later is more; what is equally late is told apart by its content, so that merging has no order."""
    return pick.when, b"".join((repr(pick.chosen).encode(), pick.images.tobytes(), pick.critique.encode()))
