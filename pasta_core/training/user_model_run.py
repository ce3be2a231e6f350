"""One training of a user model from its data to its files: both phases, resumable after any kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from pasta_core.errors import InvalidInput
from pasta_core.files import make_directory, write_atomically
from pasta_core.seeds import derive_seed
from pasta_core.training.devices import ONE_DEVICE, Devices
from pasta_core.training.em import types_report
from pasta_core.training.em_state import EmState
from pasta_core.training.embedded_labels import EmbeddedLabels
from pasta_core.training.held_out import measure
from pasta_core.training.loop import CHECKPOINT, LoopConfig, checkpoint_step, train
from pasta_core.training.metrics import MetricsFile, finite
from pasta_core.training.presets import SingleTurnConfig
from pasta_core.training.single_turn import SingleTurn
from pasta_core.users.model_files import load_user_model, save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig

__all__ = [
    "PLAN",
    "SINGLE_TURN",
    "TrainingFolder",
    "UserModelRun",
    "remember_data",
    "same_threads",
    "train_phase",
    "train_single_turn",
    "type_figures",
]

SINGLE_TURN = "single-turn"
PLAN = "training.json"
"""What a training was begun with."""
METRICS = "metrics.jsonl"

_LABELS_ENOUGH = 2

Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class TrainingFolder:
    """Where a training lies: its plan, its metrics, a folder a phase, and in the end its model."""

    path: Path

    grows: ClassVar[bool] = True
    """Whether a plan that was kept may gain what it lacks: a second phase."""

    def phase(self, name: str) -> Path:
        """A phase's own folder: its checkpoint, then its model."""
        return self.path / name

    def has_model(self, name: str) -> bool:
        """Whether a phase has come to its end."""
        return (self.phase(name) / "user_model.json").is_file()

    def check(self, plan: Mapping[str, Any], resume: bool) -> None:
        """Refuse (`InvalidInput`) a folder that holds anything else than the training to go on with.

        A plan that was kept may gain a second phase if it `grows`, and lose none.
        """
        file = self.path / PLAN
        if not file.is_file():
            if resume:
                raise InvalidInput(f"there is no training in {self.path}", "leave --resume out to begin one")
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise InvalidInput(f"{self.path} is not an empty folder", "choose another --out")
        elif not resume:
            raise InvalidInput(
                f"{self.path} holds a training already", "add --resume to go on, or choose another --out"
            )
        else:
            kept, now = _read_plan(file), json.loads(json.dumps(plan))
            _check_plan(self.path, kept, now, [key for key in now if not self.grows and key != "threads"])

    def threads(self, now: int) -> int:
        """With how many threads it was begun, `now` where it was not: they decide how sums round."""
        file = self.path / PLAN
        return int(_read_plan(file).get("threads", now)) if file.is_file() else now

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Make the folder and keep the plan."""
        make_directory(self.path)
        write_atomically(self.path / PLAN, json.dumps(plan, indent=2).encode() + b"\n")


def same_threads(folder: TrainingFolder) -> int:
    """Let torch add with as many threads as the training in `folder` was begun with; returns how many."""
    threads = folder.threads(torch.get_num_threads())
    torch.set_num_threads(threads)
    return threads


def _read_plan(file: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"{file} is damaged", "choose another --out") from error


def _check_plan(folder: Path, kept: Mapping[str, Any], plan: Mapping[str, Any], fixed: Sequence[str]) -> None:
    """Compare what was kept, and what is `fixed` even where nothing was."""
    given = [key for key, value in kept.items() if value is not None]
    for key in dict.fromkeys((*given, *fixed)):
        before, now = kept.get(key), plan.get(key)
        if before != now:
            raise InvalidInput(
                f"{folder} was begun with another {key} ({_short(before)}, not {_short(now)})",
                "resume with what it was begun with, or choose another --out",
            )


def _short(value: object) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class UserModelRun:
    """What every phase needs besides its data: where, on what, from which seed, who is told, who may stop."""

    folder: TrainingFolder
    seed: int
    tell: Tell
    """Called with each line of metrics, in the main process."""
    devices: Devices = ONE_DEVICE
    stop: Callable[[], bool] = lambda: False
    checkpoint_seconds: float = 60.0


def train_single_turn(
    run: UserModelRun, labels: EmbeddedLabels, config: SingleTurnConfig, shape: UserModelConfig
) -> UserModel | None:
    """Train the first phase to its end, from its checkpoint where there is one; None where it was stopped.

    Ends at the same weights, bit for bit, however often it was killed or stopped. Raises `InvalidInput` for
    data that holds no rater with two labels, or that is not what the checkpoint was made from.
    """
    folder = run.folder.phase(SINGLE_TURN)
    if run.folder.has_model(SINGLE_TURN):
        return load_user_model(folder)
    if not labels.groups or np.diff(labels.starts).max() < _LABELS_ENOUGH:
        raise InvalidInput(
            "no rater in the data has two usable labels",
            "types are learnt from what one rater labels; 'pasta data check' says what the data holds",
        )
    if run.devices.main:
        make_directory(folder)
        remember_data(folder, _fingerprint(labels))
    run.devices.wait()
    training, held_out = labels.split(config.held_out, config.held_out_most, run.seed)
    torch.manual_seed(derive_seed(run.seed, SINGLE_TURN, "weights"))
    state = EmState(UserModel(shape)).to(run.devices.device)
    phase = SingleTurn(state, training, config, run.seed, run.devices)

    def figures() -> dict[str, float]:
        found = measure(phase.result, held_out, run.devices.device) if run.devices.main else None
        return {
            **type_figures(run, state.live.prior, phase.entropy),
            "held_out_accuracy": float("nan") if found is None else found.accuracy,
            "held_out_loss": float("nan") if found is None else found.loss,
        }

    if not train_phase(run, SINGLE_TURN, state, phase, config.loop(run.checkpoint_seconds), figures):
        return None
    if run.devices.main:
        for place in (run.folder.path, folder):
            save_user_model(phase.result, place, _facts(run, config, labels))
        (folder / CHECKPOINT).unlink()
    run.devices.wait()
    return phase.result


def type_figures(run: UserModelRun, prior: torch.Tensor, entropy: torch.Tensor) -> dict[str, float]:
    """How the types share the raters, for a line of metrics."""
    types = types_report(prior)
    total, raters = run.devices.mean(entropy)
    return {
        "posterior_entropy": (total / raters).item(),
        "prior_entropy": types.prior_entropy,
        "types_alive": types.alive,
    }


def train_phase(
    run: UserModelRun,
    name: str,
    state: EmState[Any],
    loss: Callable[[int], torch.Tensor],
    loop: LoopConfig,
    figures: Callable[[], Mapping[str, float]],
    rate_of: Callable[[str], float] = lambda name: 1.0,
) -> bool:
    """Run the loop to its end, or False where it was stopped; every report becomes a line of metrics."""
    folder, metrics = run.folder.phase(name), MetricsFile(run.folder.path / METRICS)
    if run.devices.main:
        metrics.forget_after(name, checkpoint_step(folder) or 0)

    def report(part: str, told: Mapping[str, float]) -> None:
        prior = [round(share, 6) for share in _prior_of(state).tolist()]
        line = {"phase": part, **finite(told), "prior": prior}
        metrics.append(line)
        run.tell(line)

    train(
        name,
        state,
        loss,
        loop,
        folder,
        report,
        stop=run.stop,
        figures=figures,
        devices=run.devices,
        rate_of=rate_of,
    )
    finished = checkpoint_step(folder) == loop.steps
    run.devices.wait()
    return finished


def _prior_of(state: EmState[Any]) -> torch.Tensor:
    prior: torch.Tensor = state.live.prior
    return prior


def remember_data(folder: Path, found: str) -> None:
    """Keep a hash of the data; a run resumed on other data would end nowhere in particular."""
    file = folder / "data.sha256"
    if file.is_file() and file.read_text().strip() != found:
        raise InvalidInput(
            f"the data or its embeddings are not what {folder} was begun with",
            "restore them, or choose another --out",
        )
    write_atomically(file, found.encode() + b"\n")


def _fingerprint(labels: EmbeddedLabels) -> str:
    digest = hashlib.sha256()
    for column in (labels.first, labels.second, labels.text, labels.value, labels.weight, labels.starts):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _facts(run: UserModelRun, config: SingleTurnConfig, labels: EmbeddedLabels) -> dict[str, Any]:
    return {
        "phase": SINGLE_TURN,
        "seed": run.seed,
        "config": asdict(config),
        "raters": labels.groups,
        "labels": len(labels),
        "ratings": labels.ratings,
    }
