"""One training loop: what was interrupted ends at the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pasta_core.errors import PastaError
from pasta_core.training.loop import LoopConfig, checkpoint_step, learning_rate, train

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


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_stopped_training_ends_at_the_same_weights(tmp_path: Path, optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer)
    model, loss = _task()
    whole = train("whole", model, loss, config, tmp_path / "whole", lambda name, figures: None)

    steps = iter(range(1000))
    model, loss = _task()
    train("cut", model, loss, config, tmp_path / "cut", lambda *_: None, stop=lambda: next(steps) >= 17)
    model, loss = _task()
    resumed = train("cut", model, loss, config, tmp_path / "cut", lambda name, figures: None)
    assert _weights(resumed) == _weights(whole)


def test_a_step_may_be_taken_in_parts(tmp_path: Path) -> None:
    model, loss = _task()
    whole = train("whole", model, loss, CONFIG, tmp_path / "whole", lambda name, figures: None)
    model, loss = _task()

    def in_two(step: int) -> Tensor:
        first = loss(step) / 4
        first.backward()
        return loss(step) * 3 / 4 + first.detach()

    parts = train("parts", model, in_two, CONFIG, tmp_path / "parts", lambda name, figures: None)
    assert _weights(parts) == pytest.approx(_weights(whole), abs=1e-5)


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


def test_the_rate_restarts_at_its_peak() -> None:
    config = replace(CONFIG, steps=100, warm_up=1, restart_every=20)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == rates[20] == rates[80] == CONFIG.peak_rate
    assert rates[10] == pytest.approx(CONFIG.peak_rate / 2)
    assert rates[19] < 0.01 * CONFIG.peak_rate
    assert rates[:20] == rates[20:40]


def test_a_part_may_learn_more_slowly_or_not_at_all(tmp_path: Path) -> None:
    model, loss = _task()
    before = _weights(model)
    config = replace(CONFIG, average=0.0, weight_decay=0.0)
    train("task", model, loss, config, tmp_path, lambda *_: None, rate_of=lambda name: float(name == "bias"))
    assert _weights(model)[:-1] == before[:-1]
    assert _weights(model)[-1] != before[-1]


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    model, _ = _task()
    with pytest.raises(PastaError, match="no number"):
        train(
            "task",
            model,
            lambda step: model(torch.ones(1, 4)).sum() * float("nan"),
            replace(CONFIG, checkpoint_seconds=0.0),
            tmp_path,
            lambda *_: None,
        )
    assert checkpoint_step(tmp_path) is None


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    model, loss = _task()
    train("task", model, loss, replace(CONFIG, steps=2), tmp_path, lambda *_: None)
    assert checkpoint_step(tmp_path) == 2
    with pytest.raises(PastaError, match="another model"):
        train("task", nn.Linear(3, 1), loss, CONFIG, tmp_path, lambda *_: None)
