"""A painter without a model, for tests of what is done with pictures: coarse blocks of colour, in no time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence

import numpy as np

from pasta_core.domain import Image, PaintedImage, Pixels, Progress

SIDE = 64


def blocks(prompt: str, seed: int) -> Pixels:
    """A picture (64, 64, 3) of 8 x 8 blocks that depends on the prompt and the seed alone."""
    digest = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16)
    coarse = np.random.default_rng([seed, digest]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 8, axis=0).repeat(SIDE // 8, axis=1)


class BlockPainter:
    """Paints blocks for each seed, and counts the pictures."""

    def __init__(self) -> None:
        self.painted = 0

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        for column, (prompt, row) in enumerate(zip(prompts, seeds, strict=True)):
            for index, seed in enumerate(row):
                self.painted += 1
                yield PaintedImage(column, index, Image(seed, blocks(prompt, seed)))
