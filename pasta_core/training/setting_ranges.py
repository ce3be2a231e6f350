"""What the settings of a training may be, told where one is something else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pasta_core.errors import InvalidInput

__all__ = ["BELOW_ONE", "FROM_ONE", "FROM_ZERO", "INSIDE", "Range", "check_ranges", "one_of"]


@dataclass(frozen=True)
class Range:
    """Values that a setting may have, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


FROM_ONE = Range("1 or more", lambda value: 1 <= value < math.inf)
FROM_ZERO = Range("0 or more", lambda value: 0 <= value < math.inf)
BELOW_ONE = Range("at least 0 and less than 1", lambda value: 0 <= value < 1)
INSIDE = Range("more than 0 and less than 1", lambda value: 0 < value < 1)


def one_of(*names: str) -> Range:
    """A word out of some."""
    return Range(" or ".join(names), lambda value: value in names)


def check_ranges(settings: object, ranges: Mapping[str, Range]) -> None:
    """Refuse (`InvalidInput`) settings of which one is not what it may be."""
    for name, allowed in ranges.items():
        value = getattr(settings, name)
        if not allowed.holds(value):
            raise InvalidInput(f"{name} is {value}", f"it may be {allowed.words}")
