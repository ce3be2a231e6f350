"""The recipe of the micro value model: how it learns, from its base, what simulated users were shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pasta_core.agent.value_model_files import CONFIG
from pasta_core.data.records import Kind
from pasta_core.data.sources import SourceSpec
from pasta_core.errors import InvalidInput
from pasta_core.files import make_directory, write_atomically
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.training.devices import OneDevice
from pasta_core.training.user_model_run import PLAN, UserModelRun
from pasta_core.training.value_base import base_fingerprint, load_base
from pasta_core.training.value_presets import Objective, Reward, value_preset
from pasta_core.training.value_run import VALUE_MODEL, ValueFolder, ValueTask, train_value_model
from pasta_core.training.value_sources import read_value_data

__all__ = ["SHIPPED", "ValueModelRecipe", "ship_value_model", "train_micro_value_model"]

SHIPPED = (CONFIG, "config.json", "model.safetensors", "tokenizer.json")
"""The files of a training that a value model is read from."""


@dataclass(frozen=True)
class ValueModelRecipe:
    """What decides the shipped model, apart from the seed. Not the paper's: docs/value-model.md says why."""

    trajectories: int = 1024
    """Simulated under random slates, users of the profile's user model."""
    images: int = 1
    """A column's: those of a prompt differ little in worth, and painting is what a trajectory costs."""
    objective: Objective = Objective.COLUMNS
    reward: Reward = Reward.DENSE
    discount: float = 0.2
    """Of 1, a slate's worth drowns in that of the turns to come, on so few trajectories."""
    prefixes: bool = False
    """Half of a slate's prompts begin alike, and what is learnt there is not what is asked."""
    steps: int = 800

    @property
    def task(self) -> ValueTask:
        """The training, in all else that of the `micro` preset."""
        config = replace(
            value_preset("micro"), steps=self.steps, discount=self.discount, prefixes=self.prefixes
        )
        return ValueTask(config, self.objective, self.reward)


def train_micro_value_model(
    data: Path, base: Path, assets: Path, shop: Workshop, recipe: ValueModelRecipe
) -> Path | None:
    """Train on the trajectories in `data` in the workshop's `value-model`; None where it was stopped.

    Returns that folder. A training that has ended there, by `pasta train-value-model` too, is taken as it is;
    `InvalidInput` where it was another than the recipe's.
    """
    folder = ValueFolder(shop.folder / "value-model")
    if folder.has_model(VALUE_MODEL):
        _refuse_another(folder.path, shop.seed, recipe)
        return folder.path
    task, threads = recipe.task, folder.threads(1)
    spec = SourceSpec(Kind.TRAJECTORIES, data)
    plan = {
        "data": [str(spec)],
        "reward": str(task.reward),
        "objective": str(task.objective),
        "users": None,
        "base": base_fingerprint(base),
        "seed": shop.seed,
        "config": asdict(task.config),
        "threads": threads,
    }
    folder.check(plan, resume=(folder.path / PLAN).is_file())
    folder.begin(plan)
    device = OneDevice(shop.device)
    run = UserModelRun(
        folder, shop.seed, lambda line: shop.report(str(line["phase"]), line), device, shop.stop
    )
    with _threads(threads):
        found = read_value_data([spec], task.reward)
        finished = train_value_model(run, load_base(base, assets), found, task)
    return folder.path if finished else None


def ship_value_model(trained: Path, out: Path) -> Mapping[str, Any]:
    """Copy a training's last model to `out`; returns what it says of its training."""
    make_directory(out)
    # what says that there is a model comes last
    for name in reversed(SHIPPED):
        write_atomically(out / name, (trained / name).read_bytes())
    facts: Mapping[str, Any] = json.loads((out / CONFIG).read_bytes())["training"]
    return facts


def _refuse_another(folder: Path, seed: int, recipe: ValueModelRecipe) -> None:
    """What only reports or measures may differ."""
    facts = json.loads((folder / CONFIG).read_bytes())["training"]
    wanted = {
        "objective": str(recipe.objective),
        "reward": str(recipe.reward),
        "seed": seed,
        "steps": recipe.steps,
        "discount": recipe.discount,
        "prefixes": recipe.prefixes,
    }
    found = {**facts["config"], **facts}
    for key, value in wanted.items():
        if found.get(key) != value:
            raise InvalidInput(
                f"the value model in {folder} was trained with {key} {found.get(key)}, not {value}",
                "move it away, or choose another --work",
            )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads add, which decides how sums round."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
