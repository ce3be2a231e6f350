"""What a value model's training starts from: a Gemma, or a value model to go on with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.value_model import PAPER_LOGIT, ValueModel
from pasta_core.agent.value_model_files import CONFIG, load_language_model, load_value_model
from pasta_core.agent.value_model_lora import model_digest
from pasta_core.errors import InvalidInput

__all__ = ["base_fingerprint", "load_base", "shipped_base"]


def shipped_base(assets: Path) -> Path:
    """The micro language model of microworld histories; `InvalidInput` where it is not there."""
    folder = assets / "micro" / "value-base"
    if not folder.is_dir():
        raise InvalidInput(
            f"there is no language model in {folder}",
            "'pasta microworld build --part value-base' trains it, or name another: --base DIR",
        )
    return folder


def load_base(folder: Path, assets: Path) -> ValueModel:
    """A value model to go on with, or a plain Gemma under the general templates and the paper's logit.

    Raises `ModelUnavailable`.
    """
    if (folder / CONFIG).is_file():
        return load_value_model(folder)
    texts = assets / "templates"
    templates = ValueTemplates.load(texts / "value-history.txt", texts / "value-candidate.txt")
    return load_language_model(folder, templates, PAPER_LOGIT)


def base_fingerprint(folder: Path) -> str:
    """A hash of what decides a base: all that is said of it, and samples of its large weights."""
    digest = hashlib.sha256(model_digest(folder).encode())
    for file in sorted(path for path in folder.iterdir() if path.suffix == ".json"):
        digest.update(f"{file.name} {file.stat().st_size} ".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
