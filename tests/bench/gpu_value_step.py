"""One step of the value model's training: trajectories packed, beside a sequence for every shown prompt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from pasta_core.agent.value_model import PAPER_LOGIT, ValueNetwork
from pasta_core.training.devices import OneDevice
from pasta_core.training.em_state import EmState
from pasta_core.training.value_presets import VALUE_PRESETS, Objective
from pasta_core.training.value_training import Examples, ValueTraining
from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_separate import Separate
from tests.bench.gpu_sizes import Sizes
from tests.bench.gpu_trajectories import SHOWN, random_example


def value(bench: Bench, sizes: Sizes) -> None:
    """Table 3's step: IQL at every token of every shown prompt, two networks, Adafactor."""
    device = bench.machine.device
    preset = VALUE_PRESETS["paper"]
    precision = preset.precision if bench.machine.cuda else "float32"
    config = replace(preset, batch=sizes.transitions, tokens=sizes.tokens, precision=precision)
    model = gpu_models.made(lambda: gpu_models.gemma(sizes.full), device, torch.float32)
    logit = PAPER_LOGIT if sizes.full else 17
    state = EmState(ValueNetwork(model.requires_grad_(True), logit))
    count = -(-sizes.transitions // sizes.turns)
    examples = tuple(random_example(seed, sizes.turns, model.config.vocab_size) for seed in range(count))
    drawn = Examples(examples, np.full(count, 1 / count))
    training = ValueTraining(state, drawn, config, Objective.IQL, 0, OneDevice(str(device)))
    apart = Separate(state, examples, config.tokens, config.alpha, _autocast(device, precision))
    optimizer = torch.optim.Adafactor(
        state.live.parameters(), config.peak_rate, weight_decay=config.weight_decay
    )
    steps = iter(range(1, 1_000_000))

    def packed() -> float:
        loss = training(next(steps))
        loss.backward()
        return float(loss.detach())

    losses = {}
    for name, work in (("packed", packed), ("separate", apart)):
        losses[f"{name}_loss"] = float(f"{work():.6g}")
        optimizer.zero_grad(set_to_none=True)

    def step(work: Callable[[], float]) -> None:
        optimizer.zero_grad(set_to_none=True)
        work()
        nn.utils.clip_grad_norm_(state.live.parameters(), config.clip_norm)
        optimizer.step()

    # both networks are read, and the gradient and the weights written, whatever the batch
    moved = 4.0 * gpu_models.size_of(state.live)
    ways = [
        Way("plain, a sequence a prompt", lambda: step(apart), None, moved, gpu_models.size_of(state)),
        Way("pasta, packed", lambda: step(packed), None, moved, gpu_models.size_of(state)),
    ]
    facts = {
        "transitions": count * sizes.turns,
        "packed_tokens": sum(len(one.tree) for one in examples),
        "separate_tokens": sum(
            branch.at + len(branch.tokens) for one in examples for branch in one.tree.branches
        ),
        "prompts_a_turn": SHOWN,
        "precision": precision,
        **losses,
    }
    compare(bench, "value", ways, facts)


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()
