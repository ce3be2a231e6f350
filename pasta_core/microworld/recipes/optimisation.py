"""One training loop for every micro model: seeded by step, checkpointed, resumed to the same weights."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = ["Loss", "LoopConfig", "Report", "halved", "learning_rate", "train"]

Loss = Callable[[int], Tensor]
"""The loss of one step; its batch and noise derive from the step's number, so a resumed run repeats it."""

Report = Callable[[str, Mapping[str, float]], None]
"""Called with the part's name and figures: step, steps, loss, samples_per_second, seconds_left."""


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
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average: float = 0.0
    """Decay of the exponential moving average of the weights; 0 keeps none."""
    checkpoint_seconds: float = 120.0
    report_every: int = 50


def learning_rate(config: LoopConfig, step: int) -> float:
    """Warm up, stay, fall: a run can be continued from its plateau without having known its length."""
    rise = min(1.0, (step + 1) / config.warm_up)
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
    optimizer: torch.optim.AdamW
    step: int = 0


def _optimizer_tensors(optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, slots in state.items() for name, value in slots.items()}


def _save(run: _Run, folder: Path, config: LoopConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in _optimizer_tensors(run.optimizer).items()}
    partial = folder / "checkpoint.partial"
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(contiguous, partial, metadata={"state": json.dumps({"step": run.step, "steps": config.steps})})
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.rename(folder / "checkpoint.safetensors")


def _restore(run: _Run, folder: Path) -> None:
    tensors = load_file(folder / "checkpoint.safetensors")
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "averaged": {}, "optimizer": {}}
    for key, value in tensors.items():
        group, name = key.split(".", 1)
        groups[group][name] = value
    run.model.load_state_dict(groups["model"])
    run.averaged.load_state_dict(groups["averaged"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups["optimizer"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    run.optimizer.load_state_dict(
        {"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]}
    )
    run.step = int(next(iter(state.values()))["step"].item())


@torch.no_grad()
def _update_average(run: _Run, decay: float) -> None:
    decay = min(decay, (1 + run.step) / (10 + run.step))
    for averaged, live in zip(run.averaged.parameters(), run.model.parameters(), strict=True):
        averaged.lerp_(live, 1 - decay)


def train(
    name: str,
    model: nn.Module,
    loss: Loss,
    config: LoopConfig,
    folder: Path,
    report: Report,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> nn.Module:
    """Train `model` on `loss` until `config.steps`, resuming from `folder`'s checkpoint where there is one.

    Returns the averaged model (the model itself where no average is kept). `stop` ends the run early with a
    checkpoint; the same call then goes on from there.
    """
    averaged = copy.deepcopy(model).requires_grad_(False) if config.average else nn.Module()
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.peak_rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        fused=True,
    )
    run = _Run(model, averaged, optimizer)
    if (folder / "checkpoint.safetensors").exists():
        _restore(run, folder)
    model.train()
    started, first, saved, total, counted = time.monotonic(), run.step, time.monotonic(), 0.0, 0
    while run.step < config.steps and not stop():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, run.step)
        value = loss(run.step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        run.step += 1
        if config.average:
            _update_average(run, config.average)
        total, counted = total + value.item(), counted + 1
        if run.step % config.report_every == 0 or run.step == config.steps:
            rate = (run.step - first) / (time.monotonic() - started)
            report(
                name,
                {
                    "step": run.step,
                    "steps": config.steps,
                    "loss": total / counted,
                    "samples_per_second": rate * config.batch,
                    "seconds_left": (config.steps - run.step) / rate,
                },
            )
            total, counted = 0.0, 0
        if time.monotonic() - saved > config.checkpoint_seconds:
            _save(run, folder, config)
            saved = time.monotonic()
    _save(run, folder, config)
    return averaged if config.average else model
