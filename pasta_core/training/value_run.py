"""One training of a value model from its data to its files, resumable after any kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pasta_core.agent.value_model import ValueModel, ValueNetwork
from pasta_core.agent.value_model_files import CONFIG, save_value_model
from pasta_core.files import make_directory, write_atomically
from pasta_core.training.em_state import EmState
from pasta_core.training.loop import CHECKPOINT, checkpoint_step, train
from pasta_core.training.metrics import MetricsFile, finite
from pasta_core.training.user_model_run import TrainingFolder, UserModelRun, remember_data
from pasta_core.training.value_batches import value_batch
from pasta_core.training.value_measures import HeldOutValues, Outlook, word_counts
from pasta_core.training.value_presets import Objective, Reward, ValueModelConfig
from pasta_core.training.value_sources import ValueData
from pasta_core.training.value_training import Examples, ValueTraining, examples_of

__all__ = ["BEST", "VALUE_MODEL", "ValueFolder", "ValueTask", "train_value_model"]

VALUE_MODEL = "value-model"
"""The phase's name, and its folder."""
BEST = "best"
"""Where the model lies that foresaw held-out returns best."""
METRICS = "metrics.jsonl"
CALIBRATION = "calibration.json"

SELECTION = "held_out_correlation"
"""What says which checkpoint is best: it knows neither scale nor the upward lean of an expectile."""


@dataclass(frozen=True)
class ValueFolder(TrainingFolder):
    """Where a training lies: its plan, its metrics, the last model, and the best in a folder below."""

    grows = False

    def has_model(self, name: str) -> bool:
        """Whether the training has come to its end."""
        return (self.path / CONFIG).is_file()


@dataclass(frozen=True)
class ValueTask:
    """What is to be learnt, and how."""

    config: ValueModelConfig
    objective: Objective
    reward: Reward


def train_value_model(
    run: UserModelRun,
    model: ValueModel,
    data: ValueData,
    task: ValueTask,
    begin: Callable[[], None] = lambda: None,
) -> bool:
    """Train `model` to its end, from the checkpoint where there is one; False where it was stopped.

    Ends at the same weights, bit for bit, however often it was killed or stopped. Leaves the last model, the
    best one of those that were measured on held-out trajectories, and what they foresaw. `begin` is called in
    the main process once the data is known to be learnt from, before anything is written; `InvalidInput` for
    data that cannot be, or that is not what the checkpoint was made from.
    """
    if run.folder.has_model(VALUE_MODEL):
        return True
    config, folder = task.config, run.folder.phase(VALUE_MODEL)
    training, held_out = data.split(config.held_out, config.held_out_most, run.seed)
    examples = examples_of(model, training, task.objective)
    if run.devices.main:
        begin()
        make_directory(folder)
        remember_data(folder, data.fingerprint())
    run.devices.wait()
    network = model.network.to(run.devices.device)
    for name, parameter in network.named_parameters():
        # of a model with an adapter, that alone learns
        parameter.requires_grad_(model.adapter is None or "lora_" in name)
    _begin_at(network, examples, training.returns(config.discount), config)
    state = EmState(network)
    phase = ValueTraining(state, examples, config, task.objective, run.seed, run.devices)
    measured = HeldOutValues(model, held_out, word_counts(examples.examples), config, run.seed)
    counts = {"trajectories": len(data), "held_out": len(held_out), "profiles": list(data.profiles)}
    keeper = _Keeper(run, model, task, measured, counts)

    def figures() -> dict[str, Any]:
        return phase.watch.read() | (keeper.look() if run.devices.main else {})

    if run.devices.main:
        keeper.resume(folder)
    train(
        VALUE_MODEL,
        state,
        phase,
        config.loop(run.checkpoint_seconds),
        folder,
        keeper.report,
        stop=run.stop,
        figures=figures,
        devices=run.devices,
    )
    finished = checkpoint_step(folder) == config.steps
    run.devices.wait()
    if finished and run.devices.main:
        keeper.finish(folder)
    run.devices.wait()
    return finished


class _Keeper:
    """Measures, tells, and keeps the best model and the last."""

    def __init__(
        self,
        run: UserModelRun,
        model: ValueModel,
        task: ValueTask,
        held_out: HeldOutValues,
        counts: Mapping[str, Any],
    ) -> None:
        self._run = run
        self._model = model
        self._task = task
        self._held_out = held_out
        self._counts = counts
        self._metrics = MetricsFile(run.folder.path / METRICS)
        self._best = -math.inf
        self._outlook: Outlook | None = None

    def resume(self, folder: Path) -> None:
        """Forget what was told after the checkpoint, and remember the best of what was told before."""
        self._metrics.forget_after(VALUE_MODEL, checkpoint_step(folder) or 0)
        file = self._run.folder.path / METRICS
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        told = [json.loads(line).get(SELECTION) for line in lines]
        self._best = max((value for value in told if value is not None), default=-math.inf)

    def look(self) -> dict[str, float]:
        """Measure the model as it is now."""
        network = self._model.network.eval()
        self._outlook = self._held_out.measure()
        network.train()
        return {} if self._outlook is None else self._outlook.figures()

    def report(self, part: str, told: Mapping[str, Any]) -> None:
        """One line of metrics; a model that was better than all before is kept."""
        line = {"phase": part, **finite(told)}
        if (score := line.get(SELECTION)) is not None and score > self._best:
            self._best = score
            self._save(self._run.folder.path / BEST, line)
        self._metrics.append(line)
        self._run.tell(line)

    def finish(self, folder: Path) -> None:
        """Write the last model, which says that the training is over, and take the checkpoint away."""
        # a run that was killed just here comes back without having measured anything
        figures = self.look()
        place = self._run.folder.path
        if self._outlook is not None:
            document = {"bins": self._outlook.calibration(), **finite(figures)}
            write_atomically(place / CALIBRATION, json.dumps(document, indent=2).encode() + b"\n")
        if not (place / BEST / CONFIG).is_file():
            self._save(place / BEST, {"step": self._task.config.steps})
        self._save(place, {"step": self._task.config.steps, **finite(figures)})
        (folder / CHECKPOINT).unlink()

    def _save(self, place: Path, line: Mapping[str, Any]) -> None:
        keys = ("step", *(key for key in line if key.startswith(("held_out", "best_slate", "rare"))))
        facts = {
            "objective": str(self._task.objective),
            "reward": str(self._task.reward),
            "seed": self._run.seed,
            **self._counts,
            "config": asdict(self._task.config),
            "measured": {key: line[key] for key in keys if key in line},
        }
        save_value_model(self._model, place, facts, half=self._task.config.half)


@torch.no_grad()
def _begin_at(
    network: ValueNetwork, examples: Examples, returns: tuple[float, ...], config: ValueModelConfig
) -> None:
    """Let the untrained network predict the mean return, and learn in units of the returns' spread."""
    spread = float(np.std(returns))
    network.scale = spread if config.normalised and spread > 0 else 1.0
    network.offset = 0.0
    network.train()
    places = np.linspace(0, len(examples.examples) - 1, min(8, len(examples.examples))).astype(int)
    untrained = []
    for place in places.tolist():
        batch = value_batch([examples.examples[place]], network.device)
        untrained.append(batch.tokens.read(network(batch.packed)).mean())
    network.offset = float(np.mean(returns)) - float(torch.stack(untrained).mean())
