"""Where and on what the micro models are trained: one object instead of five arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from pasta_core.errors import InvalidInput
from pasta_core.training.loop import LoopConfig, Report, train

__all__ = ["Workshop"]

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(frozen=True)
class Workshop:
    """A folder for data and checkpoints, the seed of every draw, a device, and who is told of progress."""

    folder: Path
    seed: int
    report: Report
    device: str = "cpu"
    stop: Callable[[], bool] = lambda: False

    @classmethod
    def on(
        cls, device: str | None, folder: Path, seed: int, report: Report, stop: Callable[[], bool]
    ) -> Workshop:
        """A workshop on the named device, else on CUDA where there is one; unknown is `InvalidInput`."""
        has_cuda = torch.cuda.is_available()
        chosen = device or ("cuda" if has_cuda else "cpu")
        if chosen not in ("cpu", "cuda") or (chosen == "cuda" and not has_cuda):
            raise InvalidInput(f"there is no device {chosen!r} here", "name cpu, or no device at all")
        return cls(folder, seed, report, chosen, stop)

    def autocast(self) -> torch.autocast:
        """Half precision where it is safe: on a CPU with these shapes 4 to 10 times faster."""
        return torch.autocast(self.device, torch.bfloat16)

    def train(
        self, name: str, model: Model, loss: Callable[[int], torch.Tensor], config: LoopConfig
    ) -> Model:
        """Train from the part's checkpoint where there is one; returns the averaged model."""
        trained = train(name, model, loss, config, self.folder / name, self.report, stop=self.stop)
        assert isinstance(trained, type(model))
        return trained
