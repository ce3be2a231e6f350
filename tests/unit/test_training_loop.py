"""One training loop: what was interrupted ends at the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pasta_core.training.loop import LoopConfig, learning_rate, train

CONFIG = LoopConfig(steps=40, batch=8, peak_rate=0.05, warm_up=5, average=0.9, report_every=10)


def _task() -> tuple[nn.Module, Callable[[int], Tensor]]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)

    def loss(step: int) -> Tensor:
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        wanted = inputs.sum(-1, keepdim=True)
        error: Tensor = (model(inputs) - wanted).pow(2).mean()
        return error

    return model, loss


def _weights(model: nn.Module) -> list[float]:
    return [value for parameter in model.parameters() for value in parameter.flatten().tolist()]


def test_a_stopped_training_ends_at_the_same_weights(tmp_path: Path) -> None:
    model, loss = _task()
    whole = train("whole", model, loss, CONFIG, tmp_path / "whole", lambda name, figures: None)

    steps = iter(range(1000))
    model, loss = _task()
    train("cut", model, loss, CONFIG, tmp_path / "cut", lambda *_: None, stop=lambda: next(steps) >= 17)
    model, loss = _task()
    resumed = train("cut", model, loss, CONFIG, tmp_path / "cut", lambda name, figures: None)
    assert _weights(resumed) == _weights(whole)


def test_it_learns_and_says_so(tmp_path: Path) -> None:
    model, loss = _task()
    told: list[float] = []
    train("task", model, loss, CONFIG, tmp_path, lambda name, figures: told.append(figures["loss"]))
    assert len(told) == 4
    assert told[-1] < 0.2 * told[0]


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[0] < rates[4] == CONFIG.peak_rate == rates[25]
    assert rates[-1] < 0.2 * CONFIG.peak_rate
