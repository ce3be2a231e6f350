"""Training a value model from the command line: data, base, progress, a stop that loses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pasta_core.agent.value_model_adapter import LoraSettings
from pasta_core.agent.value_model_document import read_document
from pasta_core.agent.value_model_lora import require_peft, with_adapter
from pasta_core.configuration import configure
from pasta_core.data.sources import parse_source
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.errors import Cancelled, InvalidInput, PastaError
from pasta_core.paths import Paths, locate
from pasta_core.seeds import derive_seed
from pasta_core.text import clean, told
from pasta_core.training.devices import devices_named
from pasta_core.training.user_model_run import UserModelRun, same_threads
from pasta_core.training.value_base import base_fingerprint, load_base, shipped_base
from pasta_core.training.value_presets import Objective, Reward, ValueModelConfig, value_preset
from pasta_core.training.value_run import BEST, ValueFolder, ValueTask, train_value_model
from pasta_core.training.value_sources import check_value_sources, read_value_data
from pasta_tui.cli._value_model_figures import draw_training
from pasta_tui.console.output import Output
from pasta_tui.console.pace import time_left
from pasta_tui.console.seeds import checked_seed
from pasta_tui.console.stopping import StopRequest

__all__ = ["Request", "run_training"]

_MICRO = "micro"
_LORA = "lora_"
"""Begins the names of an adapter's settings."""

_KINDS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a word"),
    "bool": (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
}
"""How a setting is read, by its type."""

_MEASURED = (
    ("held_out_error", "held-out error"),
    ("held_out_correlation", "correlation"),
    ("best_slate_gain", "best slate +"),
)
"""What is told of a model that was measured on held-out trajectories."""

Name = TypeVar("Name", bound=StrEnum)
Settings = TypeVar("Settings", ValueModelConfig, LoraSettings)


@dataclass(frozen=True)
class Request:
    """What was typed."""

    out: Path
    data: Sequence[str]
    reward: str
    base: Path | None
    users: str | None
    preset: str
    objective: str
    seed: int
    changes: Sequence[str]
    lora: bool
    profile: str | None
    resume: bool
    device: str | None
    as_json: bool


def run_training(request: Request) -> None:
    """Train, or go on training; `Cancelled` where a signal stopped it, with the command that goes on."""
    specs = [parse_source(text) for text in request.data]
    check_value_sources(specs)
    checked_seed(request.seed)
    config, lora = _changed(value_preset(request.preset), request)
    task = ValueTask(
        config, _named(Objective, request.objective, "objective"), _named(Reward, request.reward, "reward")
    )
    if lora is not None:
        require_peft()
    paths = locate(os.environ)
    assets = paths.assets
    base = _base(request, assets)
    profile = _profile(request)
    label = None if request.users is None else _labeller(request.users, paths, profile)
    folder = ValueFolder(request.out)
    plan = {
        "data": [str(spec) for spec in specs],
        "reward": str(task.reward),
        "objective": str(task.objective),
        "users": request.users,
        "base": base_fingerprint(base),
        "seed": request.seed,
        "config": asdict(config),
        "threads": same_threads(folder),
        **({} if lora is None else {"lora": asdict(lora)}),
        **({} if profile == _MICRO else {"profile": profile}),
    }
    devices = devices_named(request.device, os.environ)
    output = Output(os.environ, request.as_json)
    if devices.main:
        folder.check(plan, request.resume)
    stop = StopRequest()
    stop.install()
    if devices.main:
        output.progress("reading trajectories")
    data = read_value_data(specs, task.reward, output.note, label)
    model = load_base(base, assets)
    if lora is not None:
        model = with_adapter(model, base, lora, derive_seed(request.seed, "lora"))
    if devices.main:
        output.message(f"{len(data):,} trajectories, {data.transitions:,} turns")

    def tell(line: Mapping[str, Any]) -> None:
        output.record(line)
        output.message(clean(progress_line(line)).text)

    run = UserModelRun(folder, request.seed, tell, devices, stop)
    if not train_value_model(run, model, data, task, lambda: folder.begin(plan)):
        raise Cancelled(
            "stopped, and what was learnt is kept", "the same command with --resume goes on from there"
        )
    if devices.main:
        for name, place in (("last", folder.path), ("best", folder.path / BEST)):
            output.message(measured_line(name, read_document(place)["training"]["measured"]))
        _draw(folder.path, output)
        output.data(str(folder.path))


def _draw(folder: Path, output: Output) -> None:
    """Draw the training's figures; without matplotlib say where it comes from, the model is there already."""
    try:
        draw_training(folder)
    except PastaError as error:
        output.note(f"no figures: {told(error)}")


def _base(request: Request, assets: Path) -> Path:
    """The folder of the language model to start from."""
    if request.base is not None:
        if not request.base.is_dir():
            raise InvalidInput(f"there is no folder {request.base}", "name a Gemma's folder: --base DIR")
        return request.base
    if request.preset != _MICRO:
        raise InvalidInput("there is no language model to start from", "name a Gemma's folder: --base DIR")
    return shipped_base(assets)


def _profile(request: Request) -> str:
    """The profile whose CLIP reads people's images for the user model."""
    if request.users is None:
        if request.profile is not None:
            raise InvalidInput(
                "there is no user model to read images for",
                "name it, --users model:PATH, or leave out --profile",
            )
        return _MICRO
    return configure({"profile": request.profile}, os.environ, Path.cwd()).profile.name


def _labeller(users: str, paths: Paths, profile: str) -> Callable[[TrajectoryRecord], TrajectoryRecord]:
    # it loads CLIP, which simulated data needs not
    from pasta_core.training.value_rewards import rewards_by

    kind, _, path = users.partition(":")
    if kind != "model" or not path:
        raise InvalidInput(f"{users!r} names no user model", "write --users model:PATH")
    return rewards_by(Path(path), paths, profile)


def _named(names: type[Name], text: str, what: str) -> Name:
    try:
        return names(text)
    except ValueError:
        raise InvalidInput(
            f"there is no {what} {text!r}", f"choose {', '.join(str(name) for name in names)}"
        ) from None


def _changed(preset: ValueModelConfig, request: Request) -> tuple[ValueModelConfig, LoraSettings | None]:
    """The preset and the adapter's settings, with what `--set KEY=VALUE` says."""
    config, lora = preset, LoraSettings()
    adapter = {f"{_LORA}{field.name}" for field in fields(LoraSettings)} if request.lora else set[str]()
    known = [*(field.name for field in fields(config)), *sorted(adapter)]
    for change in request.changes:
        name, equals, text = change.partition("=")
        if name.startswith(_LORA) and not request.lora:
            raise InvalidInput(f"{name} is the setting of an adapter", "add --lora")
        if not equals or name not in known:
            raise InvalidInput(f"{change!r} is no setting", f"write KEY=VALUE with one of {', '.join(known)}")
        if name in adapter:
            lora = _with(lora, name.removeprefix(_LORA), text)
        else:
            config = _with(config, name, text)
    return config, lora if request.lora else None


def _with(settings: Settings, name: str, text: str) -> Settings:
    """Settings with one of them changed to what was typed."""
    kind, words = next(_KINDS[str(field.type)] for field in fields(settings) if field.name == name)
    try:
        return replace(settings, **{name: kind(text)})
    except (ValueError, KeyError):
        raise InvalidInput(f"{name} cannot be {text!r}", f"it is {words}") from None


def measured_line(name: str, measured: Mapping[str, Any]) -> str:
    """What a kept model foresaw of held-out turns, for people."""
    words = [f"{name}: step {measured['step']:.0f}"]
    for key, text in _MEASURED:
        if measured.get(key) is not None:
            words.append(f"{text} {measured[key]:.3f}")
    return "  ".join(words)


def progress_line(line: Mapping[str, Any]) -> str:
    """One line of metrics for people."""
    words = [f"{line['step']:.0f}/{line['steps']:.0f}", f"loss {line['loss']:.4f}"]
    for key, name in (("td_error", "TD error"), ("positive_advantage", "advantage > 0"), *_MEASURED):
        if line.get(key) is not None:
            words.append(f"{name} {line[key]:.3f}")
    words += [f"{line['samples_per_second']:.0f}/s", f"{time_left(line['seconds_left'])} left"]
    return "  ".join(words)
