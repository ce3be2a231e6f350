"""Training a user model from the command line: embeddings, phases, progress, a stop that loses nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pasta_core.data.embeddings import EmbeddingStore
from pasta_core.data.sources import SourceSpec, parse_source
from pasta_core.errors import Cancelled, InvalidInput
from pasta_core.paths import locate
from pasta_core.text import clean
from pasta_core.training.devices import devices_named
from pasta_core.training.label_sources import (
    TRAIN,
    check_kinds,
    open_for_training,
    read_labels,
    read_session_labels,
)
from pasta_core.training.presets import UserModelPreset, preset_named
from pasta_core.training.sequential_run import train_sequential
from pasta_core.training.user_model_run import (
    SINGLE_TURN,
    TrainingFolder,
    UserModelRun,
    same_threads,
    train_single_turn,
)
from pasta_core.users.model_files import load_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_tui.cli._embedding import Embedder, EncoderChoice
from pasta_tui.console.output import Output
from pasta_tui.console.pace import time_left
from pasta_tui.console.seeds import checked_seed
from pasta_tui.console.stopping import StopRequest

__all__ = ["Request", "run_training"]


@dataclass(frozen=True)
class Request:
    """What was typed."""

    out: Path
    data: Sequence[str]
    finetune: Sequence[str]
    types: int
    preset: str
    seed: int
    steps: int | None
    finetune_steps: int | None
    resume: bool
    profile: str | None
    store: Path | None
    device: str | None
    as_json: bool


def run_training(request: Request) -> None:
    """Train, or go on training; `Cancelled` where a signal stopped it, with the command that goes on."""
    data = [parse_source(text) for text in request.data]
    finetune = [parse_source(text) for text in request.finetune]
    check_kinds(data, finetune)
    if not data:
        raise InvalidInput("there is nothing to learn from", "name a data set: --data KIND:PATH")
    checked_seed(request.seed)
    preset = _preset(request)
    assets = locate(os.environ).assets
    sources = [open_for_training(spec, assets) for spec in data]
    for spec in finetune:
        open_for_training(spec, assets)
    choice = EncoderChoice.of(request.profile, None, request.store, "float16")
    folder = TrainingFolder(request.out)
    plan = _plan(request, data, finetune, preset, choice) | {"threads": same_threads(folder)}
    devices = devices_named(request.device, os.environ)
    output = _Teller(Output(os.environ, request.as_json), devices.main)
    if devices.main:
        folder.check(plan, request.resume)
    stop = StopRequest()
    stop.install()
    if devices.count == 1 and not folder.has_model(SINGLE_TURN):
        embed = Embedder(choice, str(devices.device), output.out, stop)
        for source in sources:
            embed(source, TRAIN)
    if devices.main:
        folder.begin(plan)
    devices.wait()
    run = UserModelRun(folder, request.seed, output.line, devices, stop)
    model = _first_phase(run, data, choice, assets, preset, request.types, output)
    if finetune:
        output.stage("reading sessions")
        sessions = read_session_labels(finetune, assets, output.note)
        output.message(f"{len(sessions):,} sessions")
        if train_sequential(run, model, choice.folder, sessions, preset.sequential) is None:
            raise _stopped()
    if devices.main:
        output.out.data(str(folder.path))


def _first_phase(
    run: UserModelRun,
    data: Sequence[SourceSpec],
    choice: EncoderChoice,
    assets: Path,
    preset: UserModelPreset,
    types: int,
    output: _Teller,
) -> UserModel:
    """The first phase's model, learnt now or before."""
    if run.folder.has_model(SINGLE_TURN):
        return load_user_model(run.folder.phase(SINGLE_TURN))
    output.stage("reading labels")
    store = EmbeddingStore(choice.store, choice.fingerprint, choice.dtype)
    labels = read_labels(data, store, assets, run.seed, output.note)
    output.message(f"{len(labels):,} labels of {labels.groups:,} raters, {labels.ratings:,} of them ratings")
    shape = UserModelConfig(labels.images.dimension, types, clip=choice.fingerprint)
    model = train_single_turn(run, labels, preset.single_turn, shape)
    if model is None:
        raise _stopped()
    return model


def _stopped() -> Cancelled:
    return Cancelled(
        "stopped, and what was learnt is kept", "the same command with --resume goes on from there"
    )


def _preset(request: Request) -> UserModelPreset:
    preset = preset_named(request.preset)
    first, second = preset.single_turn, preset.sequential
    return UserModelPreset(
        first if request.steps is None else replace(first, steps=request.steps),
        second if request.finetune_steps is None else replace(second, steps=request.finetune_steps),
    )


def _plan(
    request: Request,
    data: Sequence[SourceSpec],
    finetune: Sequence[SourceSpec],
    preset: UserModelPreset,
    choice: EncoderChoice,
) -> dict[str, Any]:
    """What decides the result: kept beside it, and compared before a training goes on."""
    return {
        "data": [str(spec) for spec in data],
        "finetune": [str(spec) for spec in finetune] or None,
        "types": request.types,
        "seed": request.seed,
        "encoder": choice.fingerprint,
        "single_turn": asdict(preset.single_turn),
        "sequential": asdict(preset.sequential) if finetune else None,
    }


class _Teller:
    """Says how a training goes; only the main one of several processes says anything."""

    def __init__(self, out: Output, main: bool) -> None:
        self.out = out
        self._main = main
        self._alarmed = 0
        self._together = False

    def line(self, line: Mapping[str, Any]) -> None:
        """One line of metrics, and an alarm for each type that dies."""
        self.out.record(line)
        dead = len(line["prior"]) - round(line["types_alive"])
        if dead > self._alarmed:
            self._alarmed = dead
            self.note(f"{dead} of {len(line['prior'])} types explain almost nobody: fewer may do as well")
        if _still_together(line) and not self._together:
            self._together = True
            self.note("the types have not come apart: more labels a rater are needed, or more steps")
        self.message(progress_line(line))

    def stage(self, stage: str) -> None:
        if self._main:
            self.out.progress(stage)

    def message(self, text: str) -> None:
        if self._main:
            self.out.message(clean(text).text)

    def note(self, text: str) -> None:
        if self._main:
            self.out.note(text)


def _still_together(line: Mapping[str, Any]) -> bool:
    """Whether half of a training has told nobody from anybody."""
    types = len(line["prior"])
    late = line["step"] >= 0.5 * line["steps"]
    return types > 1 and late and line["posterior_entropy"] > 0.95 * math.log(types)


def progress_line(line: Mapping[str, Any]) -> str:
    """One line of metrics for people."""
    words = [str(line["phase"]), f"{line['step']:.0f}/{line['steps']:.0f}", f"loss {line['loss']:.4f}"]
    words.append(f"prior entropy {line['prior_entropy']:.2f}")
    words.append(f"types {line['types_alive']:.0f}/{len(line['prior'])}")
    for key in ("held_out_accuracy", "held_out_choice_accuracy"):
        if line.get(key) is not None:
            words.append(f"held-out {line[key]:.3f}")
    words += [f"{line['samples_per_second']:.0f}/s", f"{time_left(line['seconds_left'])} left"]
    return "  ".join(words)
