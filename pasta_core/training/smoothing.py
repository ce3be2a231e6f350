"""What keeps the user encoders from learning pictures by heart: noise on embeddings, averaged weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pasta_core.seeds import derive_seed
from pasta_core.training.embedded_labels import Rows, VectorTable

__all__ = ["EmbeddingNoise", "average_into"]

_SAMPLE = 4096
"""Rows of a table from which its spread is measured."""

_DRAWS = 1024
"""Different noises of a step; a row's number says which is its own, on however many devices the step runs."""


class EmbeddingNoise:
    """Gaussian noise in units of each coordinate's standard deviation over one table of embeddings.

    The same seed, step and row draw the same noise.
    """

    def __init__(self, table: VectorTable, share: float, seed: int, kind: str) -> None:
        rows = np.linspace(0, len(table) - 1, min(len(table), _SAMPLE)).astype(np.int64)
        self._spread = torch.from_numpy(share * table.gather(rows).std(0))
        self._seed = seed
        self._kind = kind

    def __call__(self, vectors: Tensor, rows: Rows, step: int) -> Tensor:
        """The vectors (n, d), which are these rows (n,) of the table, with the step's noise."""
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "noise", self._kind, step))
        drawn = torch.randn(_DRAWS, len(self._spread), generator=generator) * self._spread
        return vectors + drawn[torch.from_numpy(rows % _DRAWS)].to(vectors.device)


@torch.no_grad()
def average_into(target: nn.Module, live: nn.Module, step: int, decay: float) -> None:
    """theta~ <- d theta~ + (1 - d) theta, with d = `decay` but less in the first steps, which are far off."""
    now = min(decay, (1 + step) / (10 + step))
    for averaged, parameter in zip(target.parameters(), live.parameters(), strict=True):
        averaged.lerp_(parameter, 1 - now)
