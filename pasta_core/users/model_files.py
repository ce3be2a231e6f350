"""A user model on the disk: `user_model.json`, what it is, and `user_model.safetensors`, its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.files import make_directory, replacing, write_atomically
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_core.users.utility import Aggregator

__all__ = ["CLIP_FOLDER", "load_user_model", "save_user_model"]

FORMAT = "pasta-user-model"
VERSION = 1
CONFIG = "user_model.json"
WEIGHTS = "user_model.safetensors"

CLIP_FOLDER = "clip"
"""Where the encoder lies, below the model's folder, if fine-tuning has changed it (§6.2)."""


_JSON_TYPES = {"int": (int,), "float": (int, float)}
"""What a field of the configuration may be in JSON, by its annotation; any other is a string."""


def save_user_model(
    model: UserModel, folder: Path, facts: Mapping[str, Any] | None = None, *, halve: bool = False
) -> None:
    """Write a model; each file appears whole. `facts` (JSON) say how it was trained, for people.

    With `halve` matrices are kept in float16, for half the size; they are float32 again once loaded.
    """
    make_directory(folder)
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    if halve:
        weights = {name: value.half() if value.ndim > 1 else value for name, value in weights.items()}
    with replacing(folder / WEIGHTS) as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    document = {
        "format": FORMAT,
        "version": VERSION,
        "config": asdict(model.config),
        "training": dict(facts or {}),
    }
    write_atomically(folder / CONFIG, json.dumps(document, indent=2).encode() + b"\n")


def load_user_model(folder: Path, device: str = "cpu") -> UserModel:
    """Load a model for use; `ModelUnavailable` says what is missing, damaged, foreign or too new."""
    model = UserModel(_config(folder / CONFIG))
    file = folder / WEIGHTS
    if not file.is_file():
        raise ModelUnavailable(f"the user model in {folder} lacks {WEIGHTS}", "train or fetch it again")
    try:
        weights = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelUnavailable(f"{file} is damaged or cut short", "train or fetch it again") from error
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelUnavailable(
            f"{file} holds other weights than {CONFIG} describes", "train or fetch both again"
        ) from error
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ModelUnavailable(f"{file} holds weights that are no numbers", "train or fetch it again")
    return model.to(device).eval().requires_grad_(False)


def _config(file: Path) -> UserModelConfig:
    if not file.is_file():
        raise ModelUnavailable(
            f"there is no user model in {file.parent}", "'pasta train-user-model --out DIR' makes one"
        )
    try:
        document = json.loads(file.read_bytes())
        name, version, values = document["format"], document["version"], dict(document["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{file} does not describe a user model", "train or fetch it again") from error
    if name != FORMAT:
        raise ModelUnavailable(f"{file} describes something else", "name the folder of a user model")
    if version != VERSION:
        raise ModelUnavailable(f"{file} has version {version}, this pasta reads {VERSION}", "update pasta")
    try:
        known = {field.name for field in fields(UserModelConfig)}
        if set(values) != known:
            raise ValueError(", ".join(sorted(set(values) ^ known)))
        for field in fields(UserModelConfig):
            if type(values[field.name]) not in _JSON_TYPES.get(str(field.type), (str,)):
                raise ValueError(f"{field.name} is {values[field.name]!r}")
        return UserModelConfig(**(values | {"aggregator": Aggregator(values["aggregator"])}))
    except (InvalidInput, TypeError, ValueError) as error:
        raise ModelUnavailable(f"{file} has a wrong value: {error}", "train or fetch it again") from error
