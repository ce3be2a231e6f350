"""What `--selector` says, as text and as its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pasta_core.agent.taste_selector import EXPLORATION, MOST_EXPLORATION
from pasta_core.errors import InvalidInput

__all__ = ["COMBINED", "PLAIN", "TASTE", "VALUED", "SelectorName"]

PLAIN = ("random", "writer")
"""Kinds that ask nothing."""
VALUED = ("value", "softmax")
"""Kinds that ask a value model alone."""
TASTE = "taste"
COMBINED = "taste+value"
"""The kind that asks a taste and a value model."""

_SECOND = "+value"


@dataclass(frozen=True, slots=True)
class SelectorName:
    """What `--selector` says: a kind, and which value model it asks, if it asks one (empty: the profile's).

    Written `random`, `writer`, `value`, `value:PATH`, `softmax`, `softmax:PATH`, `taste`,
    `taste:EXPLORATION`, `taste+value`, `taste:EXPLORATION+value:PATH`.
    """

    kind: str
    model: str = ""
    exploration: float | None = None

    @classmethod
    def parse(cls, text: str) -> SelectorName:
        """Read a name; `InvalidInput` says which kinds there are."""
        kind, colon, rest = text.partition(":")
        if kind in VALUED and (rest or not colon):
            return cls(kind, rest)
        if kind in PLAIN and not colon:
            return cls(kind)
        taste, both, value = text.partition(_SECOND)
        kind, colon, rest = taste.partition(":")
        if kind == TASTE and (rest or not colon) and (not value or (value[0] == ":" and value[1:])):
            return cls(COMBINED if both else TASTE, value[1:], _exploration(rest) if rest else None)
        raise InvalidInput(f"there is no selector {text!r}", f"known selectors: {', '.join(_known())}")

    @property
    def valued(self) -> bool:
        """Whether it asks a value model."""
        return self.kind in VALUED or self.kind == COMBINED

    @property
    def learns(self) -> bool:
        """Whether it asks a taste."""
        return self.kind in (TASTE, COMBINED)

    def settled(self) -> SelectorName:
        """The same with the default exploration where none is said, so that it means the same for ever."""
        if self.learns and self.exploration is None:
            return replace(self, exploration=EXPLORATION)
        return self

    def __str__(self) -> str:
        first, both, _ = self.kind.partition(_SECOND)
        explored = "" if self.exploration is None else f":{self.exploration:g}"
        model = f":{self.model}" if self.model else ""
        return f"{first}{explored}{both}{model}"


def _known() -> list[str]:
    valued = (f"{name}[:PATH]" for name in VALUED)
    taste = f"{TASTE}[:EXPLORATION]"
    return sorted((*PLAIN, *valued, taste, f"{taste}{_SECOND}[:PATH]"))


def _exploration(text: str) -> float:
    try:
        exploration = float(text)
    except ValueError:
        exploration = math.nan
    if not 0 <= exploration <= MOST_EXPLORATION:
        raise InvalidInput(
            f"taste:{text} names no exploration",
            f"write taste, or taste:E with E from 0 to {MOST_EXPLORATION:g}",
        )
    return exploration
