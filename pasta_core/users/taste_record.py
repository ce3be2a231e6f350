"""One person's taste as it is kept: picks and how they count, never what is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pasta_core.errors import InvalidInput
from pasta_core.users.taste_picks import Pick, forgotten, merged, ordered, pick_weights

__all__ = ["HALF_LIFE_DAYS", "NO_TASTE", "KeptTaste", "TasteRecord"]

HALF_LIFE_DAYS = 180.0
"""After how many days a pick counts half, where nobody says otherwise."""


@dataclass(frozen=True)
class KeptTaste:
    """Picks of other sessions, and how much each counts."""

    picks: tuple[Pick, ...] = ()
    weights: tuple[float, ...] = ()


NO_TASTE = KeptTaste()


@dataclass(frozen=True)
class TasteRecord:
    """Picks of one CLIP, how strongly they count (0 to 1), and after how many days half as much.

    None days mean never. `clip` names the CLIP of the features; it is empty where there are no picks.
    """

    picks: tuple[Pick, ...] = ()
    clip: str = ""
    strength: float = 1.0
    half_life_days: float | None = HALF_LIFE_DAYS

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise InvalidInput(f"a strength of {self.strength:g} means nothing", "choose one from 0 to 1")
        life = self.half_life_days
        if life is not None and not (0 < life <= 36500 and timedelta(days=life)):
            raise InvalidInput(f"a half-life of {life:g} days means nothing", "choose one above 0, or never")
        if len({pick.dimension for pick in self.picks}) > 1:
            raise InvalidInput("a taste's picks are of different CLIPs")
        if bool(self.picks) != bool(self.clip):
            raise InvalidInput("a taste with picks names their CLIP, and one without names none")

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that its picks are of."""
        return tuple(dict.fromkeys(pick.session for pick in self.picks))

    def kept(self, began: datetime, session: str = "") -> KeptTaste:
        """What it says in a session that began then: picks made before, of other sessions.

        A resumed session goes by the same picks as when it began, unless the taste itself was changed since:
        by an import, a merge or a forget of older picks, or in its strength or half-life.
        """
        picks = tuple(pick for pick in self.picks if pick.when < began and pick.session != session)
        if not self.strength or not picks:
            return NO_TASTE
        life = None if self.half_life_days is None else timedelta(days=self.half_life_days)
        return KeptTaste(picks, tuple(map(float, pick_weights(picks, began, life, self.strength))))

    def fits(self, clip: str) -> bool:
        """Whether picks of this CLIP can be added."""
        return self.clip in ("", clip)

    def with_session(self, session: str, picks: Sequence[Pick], clip: str) -> TasteRecord:
        """The taste with these as the picks of a session, in place of what it knew of it.

        `InvalidInput` where it is of another CLIP.
        """
        self.check(clip)
        return self._of(merged(forgotten(self.picks, session), picks), clip)

    def without(self, session: str) -> TasteRecord:
        """The taste as if a session had never been."""
        return self._of(forgotten(self.picks, session), self.clip)

    def union(self, other: TasteRecord) -> TasteRecord:
        """The taste with the picks of another one; `InvalidInput` where that is of another CLIP."""
        if other.picks:
            self.check(other.clip)
        return self._of(merged(self.picks, other.picks), self.clip or other.clip)

    def check(self, clip: str) -> None:
        """Refuse (`InvalidInput`) what is of another CLIP."""
        if not self.fits(clip):
            raise InvalidInput(
                "the taste was made with another CLIP, its picks mean nothing to this one",
                "keep one taste for each: 'pasta taste new NAME', then 'pasta taste use NAME'",
            )

    def _of(self, picks: Sequence[Pick], clip: str) -> TasteRecord:
        return replace(self, picks=ordered(picks), clip=clip if picks else "")
