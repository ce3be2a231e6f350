"""The prompt-value function f(h, p) of §3.2 as a service; no model is loaded here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from pasta_core.domain import Candidate, History
from pasta_core.errors import PastaError

__all__ = ["Valuer", "asked"]


class Valuer(Protocol):
    """Whoever knows f(h, p)."""

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One value per candidate, in their order."""
        ...


async def asked(valuer: Valuer, history: History, candidates: Sequence[Candidate]) -> tuple[float, ...]:
    """The values of the candidates; `PastaError` where some are missing or no numbers."""
    values = tuple(await valuer.values(history, candidates))
    if len(values) != len(candidates) or not all(map(math.isfinite, values)):
        raise PastaError(
            f"the value model gave {sum(map(math.isfinite, values))} values for {len(candidates)} prompts",
            "try another value model",
        )
    return values
