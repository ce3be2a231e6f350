"""The value models: human, simulated and mixed data, sparse and dense rewards (§6.3, App. F.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pasta_core.agent.value_model_document import CONFIG, read_document
from pasta_core.data.records import Kind
from pasta_core.data.sources import SourceSpec
from pasta_core.reproduction.lab import Lab, Stop, stopped
from pasta_core.reproduction.ratings import MODEL
from pasta_core.reproduction.scale import ValueArm
from pasta_core.reproduction.sessions import LABELLED, SHARDS
from pasta_core.reproduction.steps import Done, Finding, Inputs, Step
from pasta_core.training.value_base import base_fingerprint, load_base, shipped_base
from pasta_core.training.value_presets import ValueModelConfig
from pasta_core.training.value_run import BEST, ValueFolder, ValueTask, train_value_model
from pasta_core.training.value_sources import read_value_data

__all__ = ["value_model_folder", "value_step"]

_NEEDS = {"human": ("labels",), "simulated": ("simulated",), "mixed": ("labels", "simulated")}
_FILES = {"labels": LABELLED, "simulated": SHARDS}


def value_step(arm: ValueArm, config: ValueModelConfig, assets: Path) -> Step:
    """Train one value model by token-level IQL (E.1), from the language model of the microworld."""
    task = arm.task(config)
    settings = {
        "reward": str(task.reward),
        "objective": str(task.objective),
        "number": arm.number,
        "config": asdict(task.config),
        "base": base_fingerprint(shipped_base(assets)),
    }

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        found = await lab.in_thread(lambda stop: _learn(lab, arm, task, folder / MODEL, inputs, stop))
        return Finding(found, (f"{MODEL}/{CONFIG}", f"{MODEL}/model.safetensors"))

    title = f"learn values from {arm.name} data, {task.reward} reward"
    return Step(arm.step, title, settings, _NEEDS[arm.source], work)


def _learn(
    lab: Lab, arm: ValueArm, task: ValueTask, place: Path, inputs: Inputs, stop: Stop
) -> Mapping[str, Any]:
    folder = ValueFolder(place)
    run = lab.training(folder, lab.seed_of("value model", arm.number), stop)
    specs = [SourceSpec(Kind.TRAJECTORIES, inputs[name].folder / _FILES[name]) for name in _NEEDS[arm.source]]
    data = read_value_data(specs, task.reward, lab.note)
    model = load_base(shipped_base(lab.paths.assets), lab.paths.assets)
    if not train_value_model(run, model, data, task):
        raise stopped()
    last, best = (read_document(one)["training"] for one in (place, place / BEST))
    return {
        "trajectories": last["trajectories"],
        "steps": task.config.steps,
        "measured": last["measured"],
        "best": best["measured"],
    }


def value_model_folder(done: Done) -> Path:
    """The folder of the value model that a step has trained: its last weights."""
    return done.folder / MODEL
