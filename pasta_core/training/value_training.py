"""Token-level IQL on whole trajectories (§3.3, E.1): one step's batch, its targets, and its loss."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pasta_core.agent.value_model import ValueModel, ValueNetwork
from pasta_core.errors import InvalidInput
from pasta_core.seeds import derive_seed
from pasta_core.training.ahead import Ahead
from pasta_core.training.devices import ONE_DEVICE, Devices
from pasta_core.training.em_state import EmState
from pasta_core.training.iql import (
    IqlLoss,
    bellman_targets,
    iql_loss,
    iql_targets,
    regression_loss,
    returns_of,
)
from pasta_core.training.value_batches import ValueBatch, ValueExample, value_batch, value_example
from pasta_core.training.value_presets import Objective, ValueModelConfig
from pasta_core.training.value_sources import ValueData

__all__ = ["Examples", "ValueTraining", "examples_of", "in_parts"]


@dataclass(frozen=True)
class Examples:
    """Trajectories as a model's tokens; `weight` (n,) is how likely each is to be drawn, sums to 1."""

    examples: tuple[ValueExample, ...]
    weight: np.ndarray[tuple[int], np.dtype[np.float64]]
    too_long: int = 0
    """How many were left out because the model's context does not hold them."""

    @property
    def turns(self) -> float:
        """Transitions a trajectory, on average."""
        return sum(len(one.rewards) for one in self.examples) / len(self.examples)


def examples_of(model: ValueModel, data: ValueData, objective: Objective) -> Examples:
    """Tokenise trajectories; `InvalidInput` where the objective needs what they lack, or none is left."""
    found, weights, too_long = [], [], 0
    for one in data.trajectories:
        if objective is Objective.COLUMNS and one.own is None:
            raise InvalidInput(
                f"trajectory {one.record.id} does not say what each column was worth",
                "--objective columns learns from simulated users only",
            )
        example = value_example(
            model.tokens,
            one.record,
            one.rewards,
            all_candidates=objective is Objective.BELLMAN,
            own=one.own if objective is Objective.COLUMNS else None,
        )
        if not example.rewards or example.longest > model.context:
            too_long += bool(example.rewards)
            continue
        found.append(example)
        weights.append(one.weight)
    if not found:
        raise InvalidInput(
            "no trajectory fits the model's context", f"it reads {model.context} tokens: take a larger model"
        )
    weight = np.asarray(weights, np.float64)
    return Examples(tuple(found), weight / weight.sum(), too_long)


def in_parts(examples: Sequence[ValueExample], tokens: int) -> list[list[ValueExample]]:
    """Examples of like length together, so many that a part has at most `tokens` tokens with its padding."""
    parts: list[list[ValueExample]] = []
    width = 0
    for example in sorted(examples, key=lambda one: len(one.tree), reverse=True):
        if not parts or (len(parts[-1]) + 1) * width > tokens:
            parts.append([])
            width = len(example.tree)
        parts[-1].append(example)
    return parts


class ValueTraining:
    """The loss of each step, and what was seen of it since it was last asked.

    The trajectories of a step are drawn by their weights without repetition; they and all else depend on the
    seed and the step alone. In parallel every process takes its share of the same trajectories.
    """

    def __init__(
        self,
        state: EmState[ValueNetwork],
        examples: Examples,
        config: ValueModelConfig,
        objective: Objective,
        seed: int,
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.state = state
        self._examples = examples
        self._config = config
        self._objective = objective
        self._seed = seed
        self._devices = devices
        self._padding = int(state.live.config.pad_token_id or 0)
        size = max(round(config.batch / examples.turns), devices.count)
        self._size = min(size, int((examples.weight > 0).sum()))
        self._batches = Ahead(self._draw)
        self.watch = Watch()

    def __call__(self, step: int) -> Tensor:
        """Update the target network when it is time, and tell the batch's loss in units of the logit."""
        self.state.update_target(step, self._config.target_every)
        *parts, last = self._batches(step)
        told = torch.zeros((), device=self._devices.device)
        for part in parts:
            loss = self._loss(part)
            loss.backward()
            told += loss.detach()
        return self._loss(last) + told

    def _draw(self, step: int) -> list[ValueBatch]:
        rng = np.random.default_rng(derive_seed(self._seed, "value batch", step))
        drawn = rng.choice(
            len(self._examples.examples), self._size, replace=False, p=self._examples.weight
        ).tolist()
        transitions = sum(len(self._examples.examples[place].rewards) for place in drawn)
        mine = drawn[self._devices.index :: self._devices.count]
        parts = in_parts([self._examples.examples[place] for place in mine], self._config.tokens)
        return [
            value_batch(
                part,
                self._devices.device,
                transitions=transitions / self._devices.count,
                padding=self._padding,
                prefixes=self._config.prefixes,
            )
            for part in parts
        ]

    def _loss(self, batch: ValueBatch) -> Tensor:
        live, read = self.state.live, batch.tokens
        with self._precision():
            values = live(batch.packed)
        q, v = read.read(values), batch.v(values)
        if self._objective is Objective.REGRESSION:
            followed = [
                value for one in batch.examples for value in returns_of(one.rewards, self._config.discount)
            ]
            targets = torch.tensor(followed, device=q.device)
            loss = regression_loss(q, v, targets, read.of, read.weight)
        else:
            with torch.no_grad(), self._precision():
                behind = self.state.target(batch.packed)
            targets = self._targets(batch, values, behind)
            loss = iql_loss(
                q, read.read(behind), v, targets, read.of, read.weight, self._config.alpha, read.credit
            )
        self.watch.add(batch, loss, q.detach(), v.detach())
        return loss.total / live.scale**2

    def _targets(self, batch: ValueBatch, values: Tensor, behind: Tensor) -> Tensor:
        if self._objective is Objective.BELLMAN:
            return bellman_targets(batch.rewards, batch.best_next(behind), self._config.discount)
        return iql_targets(batch.rewards, batch.v_next(values), self._config.discount)

    def _precision(self) -> AbstractContextManager[object]:
        if self._config.precision == "bfloat16":
            return torch.autocast(self._devices.device.type, torch.bfloat16)
        return contextlib.nullcontext()


class Watch:
    """Means over the steps since they were last read; everything is in units of the rewards."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._mass = self._positive = 0.0
        self._td: list[Tensor] = []
        self._turns: dict[int, list[tuple[float, float]]] = {}

    @torch.no_grad()
    def add(self, batch: ValueBatch, loss: IqlLoss, q: Tensor, v: Tensor) -> None:
        """Take what a part of a batch showed."""
        read = batch.tokens
        self._mass += float(read.weight.sum())
        self._positive += loss.positive
        self._td.append(loss.td.detach())
        turn = batch.turn[read.of]
        for number in range(int(batch.turn.max()) + 1):
            here = read.whole & (turn == number)
            seen = float(q[here].mean()), float(v[batch.turn == number].mean())
            self._turns.setdefault(number, []).append(seen)

    def read(self) -> dict[str, float | list[float]]:
        """td_error (root mean square), positive_advantage, q and v by turn; then it begins anew."""
        if not self._mass:
            return {}
        td = float(torch.stack(self._td).sum()) / self._mass
        by_turn = [np.mean(self._turns[number], axis=0).tolist() for number in sorted(self._turns)]
        found: dict[str, float | list[float]] = {
            "td_error": td**0.5,
            "positive_advantage": self._positive / self._mass,
            "q_by_turn": [q for q, _ in by_turn],
            "v_by_turn": [v for _, v in by_turn],
        }
        self._clear()
        return found
