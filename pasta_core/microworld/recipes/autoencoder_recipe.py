"""Training the painter's autoencoder: 64x64x3 pixels to 8x8x8 latents and back.

The same class as TAESD's. Latents are pulled to unit spread and disturbed in training, so that the scaling
factor is one, the decoder forgives what the painter gets slightly wrong, and the tanh in front of the decoder
stays linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from pasta_core.microworld.eyes import to_planes
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig

__all__ = ["AutoencoderRecipe", "peak_signal_to_noise", "train_autoencoder"]


@dataclass(frozen=True)
class AutoencoderRecipe:
    """What the shipped autoencoder was trained with."""

    latent_channels: int = 8
    channels: int = 48
    steps: int = 8000
    batch: int = 32
    crop: int = 32
    """Side of the training crops in pixels; on the latents' grid, so that dots and hatching align."""
    peak_rate: float = 1.2e-3
    latent_noise: float = 0.05


class _Subsampled(nn.Conv2d):
    """A convolution of stride two, computed as every second value of stride one.

    The same values; on a CPU the backward pass is several times faster (11 against 200 GFLOP/s, bf16,
    64 channels).
    """

    def forward(self, planes: Tensor) -> Tensor:
        return F.conv2d(planes, self.weight, self.bias, padding=self.padding)[..., ::2, ::2]


def _network(recipe: AutoencoderRecipe) -> AutoencoderTiny:
    widths = (recipe.channels,) * 4
    return AutoencoderTiny(
        latent_channels=recipe.latent_channels,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(0, 2, 3, 4),
        num_decoder_blocks=(4, 4, 2, 0),
        scaling_factor=1.0,
        force_upcast=False,
    )


def _crops(planes: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    places = rng.integers(0, (planes.shape[-1] - size) // 8 + 1, (len(planes), 2)) * 8
    return torch.stack(
        [plane[:, y : y + size, x : x + size] for plane, (y, x) in zip(planes, places, strict=True)]
    )


def _edges(planes: Tensor) -> tuple[Tensor, Tensor]:
    return planes[..., 1:] - planes[..., :-1], planes[..., 1:, :] - planes[..., :-1, :]


def _difference(painted: Tensor, drawn: Tensor) -> Tensor:
    """Mean absolute and squared error of pixels, and of their edges: thin lines suffer first."""
    pixels = F.l1_loss(painted, drawn) + 2 * F.mse_loss(painted, drawn)
    edges = sum(F.l1_loss(a, b) for a, b in zip(_edges(painted), _edges(drawn), strict=True))
    return pixels + 0.5 * edges


def train_autoencoder(
    scenes: DrawnScenes,
    out: Path,
    shop: Workshop,
    recipe: AutoencoderRecipe | None = None,
) -> None:
    """Train the autoencoder on drawn training scenes and save it as a diffusers folder."""
    recipe = recipe or AutoencoderRecipe()
    torch.manual_seed(derive_seed(shop.seed, "autoencoder", "weights"))
    network = _network(recipe).to(shop.device, memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.__class__ = _Subsampled

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng(derive_seed(shop.seed, "autoencoder", step))
        rows = np.sort(rng.choice(len(scenes), recipe.batch, replace=False))
        planes = to_planes(scenes.pixels[rows])
        if step < recipe.steps * 0.8:
            planes = _crops(planes, recipe.crop, rng)
        else:
            planes = planes[: recipe.batch // 3]
        planes = planes.to(shop.device, memory_format=torch.channels_last)
        generator = torch.Generator().manual_seed(derive_seed(shop.seed, "autoencoder", "noise", step))
        with shop.autocast():
            latents = network.encode(planes).latents
            noise = torch.randn(latents.shape, generator=generator).to(shop.device) * recipe.latent_noise
            painted = network.decode(latents + noise).sample
        spread = latents.float()
        unit = (spread.mean((0, 2, 3)) ** 2).mean() + ((spread.std((0, 2, 3)) - 1) ** 2).mean()
        total: Tensor = _difference(painted.float(), planes) + 0.02 * unit
        return total

    config = LoopConfig(
        steps=recipe.steps, batch=recipe.batch, peak_rate=recipe.peak_rate, decay=0.35, weight_decay=0.0
    )
    trained = shop.train("autoencoder", network, loss, config)
    trained.half().save_pretrained(out, safe_serialization=True)


@torch.inference_mode()
def peak_signal_to_noise(network: AutoencoderTiny, scenes: DrawnScenes) -> float:
    """Mean PSNR in dB of pictures that went through the autoencoder."""
    values = []
    for start in range(0, len(scenes), 100):
        planes = to_planes(scenes.pixels[start : start + 100])
        painted = network.decode(network.encode(planes).latents).sample.clamp(-1, 1)
        error = ((painted - planes) / 2).pow(2).mean((1, 2, 3))
        values.append(-10 * torch.log10(error))
    return float(torch.cat(values).mean())
