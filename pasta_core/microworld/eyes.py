"""The eyes: a recogniser of a scene's attributes, trained on drawn scenes only and then frozen.

They judge the painter and see for the planted raters; they never choose a checkpoint or a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pasta_core.domain import Pixels
from pasta_core.errors import ModelUnavailable
from pasta_core.microworld.grammar import ATTRIBUTES, Scene

__all__ = ["Eyes", "EyesNetwork", "to_planes"]


def to_planes(pixels: Pixels | np.ndarray) -> Tensor:
    """Turn (n, height, width, 3) bytes into (n, 3, height, width) floats in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        inner = torch.relu(self.first_norm(self.first(features)))
        return torch.relu(features + self.second_norm(self.second(inner)))


def _shrink(inputs: int, outputs: int, factor: int, kernel: int) -> nn.Sequential:
    """Fold patches into channels: on a CPU the backward pass of a strided convolution is 10 times slower."""
    return nn.Sequential(
        nn.PixelUnshuffle(factor),
        nn.Conv2d(inputs * factor * factor, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class EyesNetwork(nn.Module):
    """A small residual network with one linear head per attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _shrink(3, 64, 4, 3),
            _Residual(64),
            _shrink(64, 128, 2, 1),
            _Residual(128),
            _shrink(128, 192, 2, 1),
            _Residual(192),
        )
        self.mix = nn.Sequential(nn.Flatten(), nn.Linear(192 * 16, 192), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(192, len(values)) for values in ATTRIBUTES.values())

    def forward(self, planes: Tensor) -> list[Tensor]:
        """Logits (n, values) per attribute of planes (n, 3, 64, 64) in [-1, 1]."""
        features = self.mix(self.body(planes))
        return [head(features) for head in self.heads]


class Eyes:
    """The frozen recogniser."""

    def __init__(self, network: EyesNetwork) -> None:
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path) -> Eyes:
        """Load `eyes.safetensors` from a folder; a missing or damaged file is `ModelUnavailable`."""
        path = folder / "eyes.safetensors"
        network = EyesNetwork()
        try:
            network.load_state_dict(load_file(path))  # copies half into float
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ModelUnavailable(
                f"the eyes do not load from {path}", "reinstall pasta or build them again"
            ) from error
        return cls(network)

    @torch.inference_mode()
    def probabilities(self, images: Sequence[Pixels] | np.ndarray) -> list[np.ndarray]:
        """Per attribute an (n, values) array of probabilities for n pictures (height, width, 3)."""
        stacked = np.stack(list(images))
        parts = [
            self._network(to_planes(stacked[start : start + 64])) for start in range(0, len(stacked), 64)
        ]
        return [torch.cat(heads).softmax(-1).numpy() for heads in zip(*parts, strict=True)]

    def recognise(self, images: Sequence[Pixels] | np.ndarray) -> list[Scene]:
        """The most probable scene of each picture."""
        tables = self.probabilities(images)
        labels = np.stack([table.argmax(-1) for table in tables], axis=-1)
        return [Scene.from_labels(tuple(int(label) for label in row)) for row in labels]
