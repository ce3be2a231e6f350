"""What tells one set of models from another: the bytes of their files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pasta_core.agent.value_calibration import CALIBRATION
from pasta_core.errors import ModelUnavailable
from pasta_core.files import reading_model
from pasta_core.settings import Profile
from pasta_core.users.taste_space_files import SPACE_FILE

__all__ = ["content_digest", "profile_digest", "user_model_digest", "user_model_name"]

_UNREAD = ("README.md", "bars.json", "metrics.jsonl", SPACE_FILE, CALIBRATION)
"""Pages, measurements and derived files beside a model, which change nothing it computes."""


def content_digest(*models: Path) -> str:
    """The SHA-256 of the names and bytes of files and folders.

    Raises `ModelUnavailable` where one is missing or cannot be read.
    """
    whole = hashlib.sha256()
    for model in models:
        with reading_model(model):
            for file in _files(model):
                whole.update(f"{file.name} {_file_digest(file)}\n".encode())
    return whole.hexdigest()


def _files(model: Path) -> list[Path]:
    if not model.exists():
        raise ModelUnavailable(f"there is no model in {model}", "check the path")
    if model.is_file():
        return [model]
    return sorted(path for path in model.rglob("*") if path.is_file() and path.name not in _UNREAD)


def _file_digest(file: Path) -> str:
    """The SHA-256 of a file's bytes; what a hub's cache names by it was compared with it when it arrived."""
    blob = file.resolve()
    if file.is_symlink() and blob.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", blob.name):
        return blob.name
    with reading_model(file), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def user_model_digest(folder: Path) -> str:
    """The digest of a user model: its shape and weights, and its encoder where it has one of its own."""
    parts = [folder / name for name in ("user_model.json", "user_model.safetensors", "clip")]
    return content_digest(*(part for part in parts if part.name != "clip" or part.is_dir()))


def user_model_name(folder: Path) -> str:
    """What trajectories call the users of a user model, before the number of their type."""
    return f"model:{user_model_digest(folder)[:12]}"


def profile_digest(profile: Profile) -> str:
    """The digest of all that decides what a profile writes and paints; absent files are left out.

    They are absent where the models are on another machine, which is then trusted to have the same.
    """
    parts = (*profile.writer.files, profile.writer.template, profile.painter.model, profile.clip.model)
    painter = profile.painter
    more = (painter.vae, painter.scheduler, painter.config, *(lora.path for lora in painter.loras))
    named = (*parts, profile.captions, *more)
    present = [part for part in named if part is not None and part.exists()]
    numbers = repr((profile.writer.nucleus, profile.writer.temperature, profile.painter.steps))
    numbers += repr((profile.painter.size, profile.painter.guidance, profile.painter.dtype))
    if painter.loras:
        numbers += repr(tuple(lora.weight for lora in painter.loras))
    if painter.negative or painter.guidance_until < 1:
        numbers += repr((painter.negative, painter.guidance_until))
    if profile.writer.url or profile.writer.parallel:
        numbers += repr((profile.writer.url, profile.writer.served, profile.writer.parallel))
    return hashlib.sha256((content_digest(*present) + numbers).encode()).hexdigest()
