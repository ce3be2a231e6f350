"""What a selector made of a turn's candidates, so that a slate can be explained after it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Candidate, History

__all__ = ["Judge", "Judgement"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Figures of all n candidates of a turn, each (n,) or None where there is none of its kind.

    `expected` is what each is thought to be worth and `spread` its standard deviation, `drawn` what the slate
    was chosen by: the same plus what exploring added. `values` are the value model's own, where another rule
    combines them. `picks` is how many choices all this rests on.
    """

    expected: Array
    spread: Array | None = None
    drawn: Array | None = None
    values: Array | None = None
    picks: int = 0


@runtime_checkable
class Judge(Protocol):
    """A selector that can say again, from the same seed, what it chose a slate by."""

    async def judge(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Judgement:
        """The figures that `select` goes by when it is asked the same."""
        ...
