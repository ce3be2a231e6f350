"""Every random draw has its own seed, derived from the session's and from what it is for."""

from __future__ import annotations

import hashlib

__all__ = ["SEED_BITS", "derive_seed"]

SEED_BITS = 32
"""llama.cpp takes 32-bit seeds, so all of ours fit in it."""


def derive_seed(root: int, *purpose: str | int) -> int:
    """Derive the seed of one draw from a root seed and the path that names the draw.

    The same path gives the same seed on every machine; different paths are independent. Returns a value in
    [0, 2**32 - 1): llama.cpp reads the largest 32-bit value as "pick one at random".
    """
    path = "/".join(str(part) for part in (root, *purpose))
    digest = hashlib.sha256(path.encode()).digest()
    return int.from_bytes(digest[:8], "big") % ((1 << SEED_BITS) - 1)
