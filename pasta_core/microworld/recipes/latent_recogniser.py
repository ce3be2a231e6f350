"""A recogniser of attributes in latents: the painter learns from it what must be seen in a picture.

The squared error of a denoiser spreads over backgrounds; a subject of a few cells counts for little in it.
This network has no part in the eyes, which judge the painter afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pasta_core.microworld.grammar import ATTRIBUTES
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig

__all__ = ["UNSAID", "LatentRecogniser", "RecogniserRecipe", "recognition_loss", "train_recogniser"]

UNSAID = -100
"""The label of an attribute that a caption leaves open: nothing is asked of the picture."""


@dataclass(frozen=True)
class RecogniserRecipe:
    """What the recogniser is trained with."""

    steps: int = 1200
    batch: int = 128
    peak_rate: float = 2e-3
    noise: float = 0.4
    """Largest standard deviation of the noise on a training latent: predictions are never as clean as one."""


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)  # type: ignore[no-any-return]


class LatentRecogniser(nn.Module):
    """A small residual network on (n, 8, 8, 8) latents with one linear head per attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(8, 80, 3, padding=1),
            _Residual(80),
            _Residual(80),
            nn.PixelUnshuffle(2),
            nn.Conv2d(320, 160, 1),
            _Residual(160),
            nn.GroupNorm(8, 160),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(160 * 16, 192),
            nn.SiLU(),
        )
        self.heads = nn.ModuleList(nn.Linear(192, len(values)) for values in ATTRIBUTES.values())

    def forward(self, latents: Tensor) -> list[Tensor]:
        """Logits (n, values) per attribute."""
        features = self.body(latents)
        return [head(features) for head in self.heads]


def train_recogniser(
    latents: npt.NDArray[np.float16],
    labels: npt.NDArray[np.int64],
    shop: Workshop,
    recipe: RecogniserRecipe | None = None,
) -> LatentRecogniser:
    """Train the recogniser on the latents of drawn training scenes and freeze it."""
    recipe = recipe or RecogniserRecipe()
    torch.manual_seed(derive_seed(shop.seed, "recogniser", "weights"))
    network = LatentRecogniser().to(shop.device)

    def loss(step: int) -> Tensor:
        rows = np.random.default_rng(derive_seed(shop.seed, "recogniser", step)).integers(
            len(latents), size=recipe.batch
        )
        generator = torch.Generator().manual_seed(derive_seed(shop.seed, "recogniser", "noise", step))
        clean = torch.from_numpy(latents[rows]).float()
        amount = recipe.noise * torch.rand(len(rows), 1, 1, 1, generator=generator)
        noisy = clean + amount * torch.randn(clean.shape, generator=generator)
        with shop.autocast():
            logits = network(noisy.to(shop.device, memory_format=torch.channels_last))
        wanted = torch.from_numpy(labels[rows]).to(shop.device)
        return recognition_loss(logits, wanted).mean()

    config = LoopConfig(steps=recipe.steps, batch=recipe.batch, peak_rate=recipe.peak_rate, decay=0.5)
    trained = shop.train("recogniser", network, loss, config)
    trained.eval().requires_grad_(False)
    return trained


def recognition_loss(logits: list[Tensor], wanted: Tensor) -> Tensor:
    """Cross-entropy in nats of the wanted attributes, summed over them; shape (n,).

    `wanted` (n, attributes) holds positions in `ATTRIBUTES`, `UNSAID` where nothing is asked.
    """
    losses = [
        F.cross_entropy(head.float(), wanted[:, index], ignore_index=UNSAID, reduction="none")
        for index, head in enumerate(logits)
    ]
    return torch.stack(losses).sum(0)
