"""The files of a profile's models: which there are, how large, and what is plainly wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import ModelUnavailable
from pasta_core.gguf_header import gguf_problem
from pasta_core.settings import Profile

__all__ = ["ModelFile", "model_files", "require_models"]


@dataclass(frozen=True)
class ModelFile:
    """A model's file or folder as it lies on the disk; `problem` is empty if nothing is plainly wrong."""

    role: str
    path: Path
    size: int
    """In bytes, all files of a folder together."""
    problem: str = ""


def model_files(profile: Profile) -> tuple[ModelFile, ...]:
    """Look at every model of a profile, without loading one."""
    models = [
        _inspected("writer", profile.writer.model),
        _inspected("template", profile.writer.template),
        _inspected("painter", profile.painter.model),
        _inspected("clip", profile.clip.model),
    ]
    if profile.captions is not None:
        models.append(_inspected("captions", profile.captions))
    if profile.user_model is not None:
        models.append(_inspected("user", profile.user_model))
    if profile.value_model is not None:
        models.append(_inspected("value", profile.value_model))
    return tuple(problem for model in models for problem in model)


def require_models(profile: Profile) -> None:
    """Raise `ModelUnavailable` for the first model file that is missing or cut short."""
    for model in model_files(profile):
        if model.problem:
            raise ModelUnavailable(
                f"the {model.role} model of profile {profile.name} {model.problem}: {model.path}",
                "put the file back or choose another --profile ('pasta doctor' lists them)",
            )


def _inspected(role: str, path: Path) -> Iterator[ModelFile]:
    if not path.exists():
        yield ModelFile(role, path, 0, "is missing")
        return
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    broken = [(file, problem) for file in files if (problem := _problem(file))]
    if not broken:
        empty = "" if files else "is an empty folder"
        yield ModelFile(role, path, sum(file.stat().st_size for file in files), empty)
    for file, problem in broken:
        yield ModelFile(role, file, file.stat().st_size, problem)


def _problem(file: Path) -> str:
    """What is wrong with one file, as far as its first bytes and its length tell."""
    try:
        if file.stat().st_size == 0 and file.suffix in (".gguf", ".safetensors", ".json", ".txt"):
            return "is an empty file"
        if file.suffix == ".gguf":
            return gguf_problem(file)
        if file.suffix == ".safetensors":
            return _safetensors_problem(file)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def _safetensors_problem(file: Path) -> str:
    """Compare the length with what the header promises (8 bytes of header length, header, tensors)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if header_size > size - 8:
            return "is cut short"
        try:
            header = json.loads(stream.read(header_size))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return "is not a safetensors file"
    return "is cut short" if 8 + header_size + max(ends, default=0) > size else ""
