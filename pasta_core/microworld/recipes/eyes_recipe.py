"""Training the eyes: drawn scenes, softened and disturbed a little, so that they judge content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from pasta_core.microworld.eyes import Eyes, EyesNetwork, to_planes
from pasta_core.microworld.grammar import ATTRIBUTES
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig, halved

__all__ = ["EyesRecipe", "accuracy", "blurred", "train_eyes"]


@dataclass(frozen=True)
class EyesRecipe:
    """What the shipped eyes were trained with."""

    steps: int = 2000
    batch: int = 128
    peak_rate: float = 2e-3
    smoothing: float = 0.02
    """Label smoothing, so that the raters' eyes are not more certain than they are right."""


def blurred(planes: Tensor, amount: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) blurred by `amount` (n, 1, 1, 1), from 0, not at all, to 1, at half the size."""
    soft = F.interpolate(F.avg_pool2d(planes, 2), scale_factor=2, mode="bilinear")
    return torch.lerp(planes, soft, amount)


def _disturb(planes: Tensor, generator: torch.Generator) -> Tensor:
    """Blur some pictures, add noise to some, vary their brightness: no painter is as crisp as the drawer."""
    count = len(planes)
    amount = torch.rand(count, 1, 1, 1, generator=generator) * (
        torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    )
    planes = blurred(planes, amount)
    noise = (
        torch.randn(planes.shape, generator=generator)
        * 0.12
        * torch.rand(count, 1, 1, 1, generator=generator)
    )
    gain = 1 + 0.16 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    return (planes * gain + noise).clamp(-1, 1)


def train_eyes(scenes: DrawnScenes, out: Path, shop: Workshop, recipe: EyesRecipe | None = None) -> None:
    """Train the eyes on drawn training scenes and save `eyes.safetensors` to `out`."""
    recipe = recipe or EyesRecipe()
    torch.manual_seed(derive_seed(shop.seed, "eyes", "weights"))
    network = EyesNetwork().to(shop.device).to(memory_format=torch.channels_last)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng(derive_seed(shop.seed, "eyes", step))
        generator = torch.Generator().manual_seed(derive_seed(shop.seed, "eyes", "disturb", step))
        rows = np.sort(rng.choice(len(scenes), recipe.batch, replace=False))
        planes = _disturb(to_planes(scenes.pixels[rows]), generator)
        planes = planes.to(shop.device, memory_format=torch.channels_last)
        labels = torch.from_numpy(scenes.labels[rows]).to(shop.device)
        with shop.autocast():
            logits = network(planes)
        losses = [
            F.cross_entropy(head.float(), labels[:, index], label_smoothing=recipe.smoothing)
            for index, head in enumerate(logits)
        ]
        return torch.stack(losses).sum()

    config = LoopConfig(steps=recipe.steps, batch=recipe.batch, peak_rate=recipe.peak_rate, decay=0.5)
    shop.train("eyes", network, loss, config)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: halved(value) for name, value in network.state_dict().items()}, out / "eyes.safetensors")


def accuracy(eyes: Eyes, scenes: DrawnScenes) -> dict[str, float]:
    """Share of pictures whose attribute the eyes name rightly, per attribute."""
    tables = eyes.probabilities(scenes.pixels)
    return {
        name: float((table.argmax(-1) == scenes.labels[:, index]).mean())
        for index, (name, table) in enumerate(zip(ATTRIBUTES, tables, strict=True))
    }
