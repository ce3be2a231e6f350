"""The one training loop: seeded by step, checkpointed, resumed to the same weights, on one device or many."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pasta_core.errors import InvalidInput, PastaError
from pasta_core.files import make_directory, replacing
from pasta_core.training.devices import ONE_DEVICE, Devices

__all__ = [
    "CHECKPOINT",
    "OPTIMIZERS",
    "Figures",
    "LoopConfig",
    "Loss",
    "Report",
    "checkpoint_step",
    "halved",
    "learning_rate",
    "train",
]

CHECKPOINT = "checkpoint.safetensors"
OPTIMIZERS = ("adamw", "adafactor")

Loss = Callable[[int], Tensor]
"""The loss of one step; its batch and noise derive from the step's number, so a resumed run repeats it.

A batch too large for one pass may be told in parts: all but the last part call `backward` themselves, and the
value of all is returned with the gradient of the last.
"""

Figures = Mapping[str, float]

Report = Callable[[str, Figures], None]
"""Called with the part's name and figures: step, steps, loss, samples_per_second, seconds_left, and more."""


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to learn."""

    steps: int
    batch: int
    """Samples a step, for the reported rate only."""
    peak_rate: float
    """AdamW's learning rate after the warm-up."""
    warm_up: int = 100
    """Steps of linear warm-up."""
    decay: float = 0.2
    """Share of the steps, at the end, over which the rate falls linearly to zero."""
    restart_every: int = 0
    """Steps of one cosine from the peak to zero, after which the rate starts again at the peak (SGDR); takes
    the place of plateau and decay. 0: no restarts."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    """AdamW's averages of the gradient and of its square."""
    clip_norm: float = 1.0
    """The longest gradient; longer ones are shortened to it. 0: as they are."""
    optimizer: str = "adamw"
    """One of `OPTIMIZERS`; adafactor at the given rate (1/sqrt(step), its relative step, is above it)."""
    average: float = 0.0
    """Decay of the exponential moving average of the weights; 0 keeps none."""
    checkpoint_seconds: float = 120.0
    report_every: int = 50


def learning_rate(config: LoopConfig, step: int) -> float:
    """Warm up, stay, fall: a run can be continued from its plateau without having known its length.

    With `restart_every` the rate follows Loshchilov and Hutter's cosine with warm restarts instead.
    """
    rise = min(1.0, (step + 1) / max(1, config.warm_up))
    if config.restart_every:
        phase = (step % config.restart_every) / config.restart_every
        return config.peak_rate * rise * 0.5 * (1 + math.cos(math.pi * phase))
    fall = min(1.0, (config.steps - step) / max(1.0, config.decay * config.steps))
    return config.peak_rate * rise * fall


def halved(tensor: Tensor) -> Tensor:
    """A shipped copy of a weight: floats in half precision, everything else as it is."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor.clone()


@dataclass
class _Run:
    model: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0


def checkpoint_step(folder: Path) -> int | None:
    """How many steps the checkpoint in `folder` holds; None without one, `PastaError` if it is damaged."""
    file = folder / CHECKPOINT
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            return int(json.loads(opened.metadata()["state"])["step"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PastaError(f"{file} is damaged", "remove it and train again") from error


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, slots in state.items() for name, value in slots.items()}


def _constant(model: nn.Module) -> frozenset[str]:
    """Names in a model's state that never change, where it tells of them (`em_state.EmState`)."""
    return frozenset(getattr(model, "constant", ()))


def _save(run: _Run, folder: Path, config: LoopConfig) -> None:
    make_directory(folder)
    constant = _constant(run.model)
    trained = ((name, value) for name, value in run.model.state_dict().items() if name not in constant)
    tensors = {f"model.{name}": value for name, value in trained}
    tensors |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in _optimizer_tensors(run.optimizer).items()}
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    state = json.dumps({"step": run.step, "steps": config.steps})
    with replacing(folder / CHECKPOINT) as partial:
        save_file(contiguous, partial, metadata={"state": state})


def _restore(run: _Run, folder: Path) -> None:
    run.step = checkpoint_step(folder) or 0
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "averaged": {}, "optimizer": {}}
    for key, value in load_file(folder / CHECKPOINT).items():
        group, name = key.split(".", 1)
        groups[group][name] = value
    try:
        constant = _constant(run.model)
        as_loaded = {name: value for name, value in run.model.state_dict().items() if name in constant}
        run.model.load_state_dict({**groups["model"], **as_loaded})
        run.averaged.load_state_dict(groups["averaged"])
    except RuntimeError as error:
        raise PastaError(f"{folder / CHECKPOINT} is of another model", "choose another folder") from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups["optimizer"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    whole: dict[str, Any] = {"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]}
    run.optimizer.load_state_dict(whole)


def _optimizer(
    model: nn.Module, config: LoopConfig, rate_of: Callable[[str], float]
) -> torch.optim.Optimizer:
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(rate_of(name), []).append(parameter)
    parts = [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]
    rate, decay = config.peak_rate, config.weight_decay
    match config.optimizer:
        case "adamw":
            return torch.optim.AdamW(parts, rate, config.betas, weight_decay=decay, fused=True)
        case "adafactor":
            return torch.optim.Adafactor(parts, rate, weight_decay=decay)
    raise InvalidInput(f"there is no optimizer {config.optimizer!r}", f"choose {' or '.join(OPTIMIZERS)}")


@torch.no_grad()
def _update_average(run: _Run, decay: float) -> None:
    decay = min(decay, (1 + run.step) / (10 + run.step))
    for averaged, live in zip(run.averaged.parameters(), run.model.parameters(), strict=True):
        averaged.lerp_(live, 1 - decay)


def _learn(run: _Run, loss: Loss, config: LoopConfig, devices: Devices) -> Tensor:
    """One step of gradient descent; returns its loss, detached."""
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.step) * group["factor"]
    run.optimizer.zero_grad(set_to_none=True)
    value = loss(run.step)
    value.backward()
    devices.average_gradients(run.model)
    if config.clip_norm:
        nn.utils.clip_grad_norm_(run.model.parameters(), config.clip_norm)
    run.optimizer.step()
    run.step += 1
    if config.average:
        _update_average(run, config.average)
    return value.detach()


class _Meter:
    """The mean loss since the last report and the rate since the start; read seldom, as reading waits."""

    def __init__(self, config: LoopConfig, first: int) -> None:
        self._config = config
        self._first = first
        self._started = time.monotonic()
        self._losses: list[Tensor] = []

    def add(self, value: Tensor) -> None:
        self._losses.append(value)

    def check(self, step: int) -> None:
        """A loss that is no number ends the training, before its weights become a checkpoint."""
        if self._losses and not torch.isfinite(torch.stack(self._losses)).all():
            raise PastaError(f"the loss is no number any more at step {step}", "lower the learning rate")

    def read(self, step: int, devices: Devices) -> dict[str, float]:
        """The figures at `step`."""
        self.check(step)
        loss = devices.mean(torch.stack(self._losses).mean()).item() if self._losses else math.nan
        self._losses = []
        rate = (step - self._first) / max(time.monotonic() - self._started, 1e-9)
        return {
            "step": step,
            "steps": self._config.steps,
            "loss": loss,
            "samples_per_second": rate * self._config.batch,
            "seconds_left": (self._config.steps - step) / max(rate, 1e-9),
        }


def train(
    name: str,
    model: nn.Module,
    loss: Loss,
    config: LoopConfig,
    folder: Path,
    report: Report,
    *,
    stop: Callable[[], bool] = lambda: False,
    figures: Callable[[], Figures] = dict,
    devices: Devices = ONE_DEVICE,
    rate_of: Callable[[str], float] = lambda name: 1.0,
) -> nn.Module:
    """Train `model` on `loss` until `config.steps`, resuming from `folder`'s checkpoint where there is one.

    Returns the averaged model (the model itself where no average is kept). `stop` ends the run early with a
    checkpoint; the same call then goes on from there. What a step changes besides the trained weights (a
    target network, a prior) must live in `model` as well, so that it is kept; `figures` adds to each report.
    `rate_of` multiplies the learning rate of a parameter, by its name.
    """
    averaged = copy.deepcopy(model).requires_grad_(False) if config.average else nn.Module()
    run = _Run(model, averaged, _optimizer(model, config, rate_of))
    if (folder / CHECKPOINT).exists():
        _restore(run, folder)
    model.train()
    meter, saved = _Meter(config, run.step), time.monotonic()
    while run.step < config.steps and not devices.any(stop()):
        meter.add(_learn(run, loss, config, devices))
        if run.step % config.report_every == 0 or run.step == config.steps:
            told = meter.read(run.step, devices) | dict(figures())
            if devices.main:
                report(name, told)
        if devices.main and time.monotonic() - saved > config.checkpoint_seconds:
            meter.check(run.step)
            _save(run, folder, config)
            saved = time.monotonic()
    if devices.main:
        meter.check(run.step)
        _save(run, folder, config)
    devices.wait()
    return averaged if config.average else model
