"""The second phase from its sessions to its files: a user model whose choices are learnt, and its CLIP."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.errors import InvalidInput
from pasta_core.files import make_directory, replacing, write_atomically
from pasta_core.training.em_state import EmState
from pasta_core.training.loop import CHECKPOINT
from pasta_core.training.presets import SequentialConfig
from pasta_core.training.sequential import ClipUserModel, Sequential, foresee
from pasta_core.training.session_batches import SessionLoader
from pasta_core.training.session_labels import SessionSet
from pasta_core.training.user_model_run import UserModelRun, remember_data, train_phase, type_figures
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import CLIP_FOLDER, load_user_model, save_user_model
from pasta_core.users.user_model import UserModel

__all__ = ["SEQUENTIAL", "train_sequential"]

SEQUENTIAL = "sequential"

_WEIGHTS = "open_clip_model.safetensors"
_KEPT = (
    "open_clip_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
"""What training does not change; a card or figures of the old weights would not be true of the new ones."""

_DONE = "done"

_LARGE = 50_000_000
"""Parameters of a CLIP whose activations for 640 images are made again instead of kept."""

_CLIP_PREFIX = "live.network."

_TEMPERATURE_PREFIX = "live.users.temperature."


def train_sequential(
    run: UserModelRun, start: UserModel, clip: Path, sessions: SessionSet, config: SequentialConfig
) -> UserModel | None:
    """Fine-tune `start` and the CLIP in `clip` on sessions, from the checkpoint where there is one.

    The result lies in the run's folder, its CLIP below it if that has learnt too. None where it was stopped.
    Raises `InvalidInput` where there is no session to learn from.
    """
    folder = run.folder.phase(SEQUENTIAL)
    if (folder / _DONE).is_file():
        return load_user_model(run.folder.path)
    if not len(sessions):
        raise InvalidInput(
            "there is no session to learn from", "'pasta data check' says what the data of --finetune holds"
        )
    if run.devices.main:
        make_directory(folder)
        remember_data(folder, _fingerprint(sessions))
    run.devices.wait()
    encoder = ClipEncoder.load(clip, str(run.devices.device))
    state = _state(encoder, start, config).to(run.devices.device)
    training, held_out = sessions.split(config.held_out, config.held_out_most, run.seed)
    loader = SessionLoader(
        training, config.batch, run.seed, encoder.prepare, encoder.tokens, run.devices.device
    )
    phase = Sequential(state, loader, sessions.columns, config, run.devices)

    def figures() -> dict[str, float]:
        foreseen = foresee(
            state.live, loader, held_out.sessions if run.devices.main else (), sessions.columns
        )
        return {
            **type_figures(run, state.live.prior, phase.entropy),
            "held_out_choice_loss": foreseen.loss,
            "held_out_choice_accuracy": foreseen.accuracy,
        }

    def rate_of(name: str) -> float:
        if name.startswith(_TEMPERATURE_PREFIX):
            return 1.0
        return config.clip_rate if name.startswith(_CLIP_PREFIX) else config.users_rate

    loop = config.loop(run.checkpoint_seconds)
    if not train_phase(run, SEQUENTIAL, state, phase, loop, figures, rate_of):
        return None
    users = state.live.users
    if run.devices.main:
        _save(run, state.live, clip, config)
        write_atomically(folder / _DONE, b"")
        (folder / CHECKPOINT).unlink()
    run.devices.wait()
    return users


def _state(encoder: ClipEncoder, start: UserModel, config: SequentialConfig) -> EmState[ClipUserModel]:
    network = encoder.network.requires_grad_(config.clip_rate > 0)
    if config.clip_rate > 0 and sum(one.numel() for one in network.parameters()) > _LARGE:
        network.set_grad_checkpointing(True)
    users = start.requires_grad_(config.users_rate > 0)
    users.temperature.requires_grad_(True)
    # sessions hold no ratings: what maps scores to them stays as it is
    users.log_slope.requires_grad_(False)
    users.intercept.requires_grad_(False)
    return EmState(ClipUserModel(network, users))


def _save(run: UserModelRun, model: ClipUserModel, clip: Path, config: SequentialConfig) -> None:
    """Write CLIP first: the model's description names it by its fingerprint."""
    out, users = run.folder.path, model.users
    if config.clip_rate > 0:
        save_clip(model.network, clip, out / CLIP_FOLDER)
        users.config = replace(users.config, clip=encoder_fingerprint(out / CLIP_FOLDER))
    save_user_model(users, out, {"phase": SEQUENTIAL, "seed": run.seed, "config": asdict(config)})


def save_clip(network: Any, original: Path, folder: Path) -> None:
    """Write an open_clip folder with new weights, its configuration and tokenizer as in `original`."""
    make_directory(folder)
    for name in _KEPT:
        if (original / name).is_file():
            shutil.copyfile(original / name, folder / name)
    weights = {
        name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()
    }
    with replacing(folder / _WEIGHTS) as partial:
        save_file(weights, partial, metadata={"format": "pt"})


def _fingerprint(sessions: SessionSet) -> str:
    digest = hashlib.sha256()
    for session in sessions.sessions:
        names = [reference.name for reference in _references(session.images)]
        labels = (
            session.prompt,
            session.chosen,
            session.selected,
            session.weight,
            session.in_turn,
            session.cross_turn,
        )
        digest.update(repr(labels).encode())
        digest.update("\n".join(names).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _references(images: Iterable[Any]) -> Iterable[Any]:
    for turn in images:
        for column in turn:
            yield from column
