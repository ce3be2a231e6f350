"""Seeds that were typed, and fresh ones."""

from __future__ import annotations

import secrets

from pasta_core.errors import InvalidInput
from pasta_core.seeds import SEED_BITS

__all__ = ["checked_seed"]


def checked_seed(seed: int | None) -> int:
    """The seed that was typed, or a fresh one; negative or too large is `InvalidInput`."""
    if seed is None:
        return secrets.randbelow(2**SEED_BITS)
    if not 0 <= seed < 2**63:
        raise InvalidInput(f"the seed is {seed}", "choose a whole number from 0 to 9223372036854775807")
    return seed
