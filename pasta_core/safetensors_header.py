"""What a `.safetensors` file holds, read from its header alone: is it whole, and what kind of model is it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LORA", "SDXL", "UNKNOWN", "VAE", "Header", "kind_of", "read_header", "safetensors_problem"]

SDXL = "an SDXL checkpoint"
LORA = "a LoRA"
VAE = "an autoencoder"
UNKNOWN = "no model that is known here"
MAX_HEADER = 2**28
"""Bytes; a longer header is a damaged one."""


@dataclass(frozen=True)
class Header:
    """The tensors of a file."""

    shapes: Mapping[str, tuple[int, ...]]
    end: int
    """The length that the file must have, in bytes."""

    def any(self, *parts: str) -> bool:
        """Whether some tensor's name has one of these parts."""
        return any(part in name for name in self.shapes for part in parts)

    def begins(self, *prefixes: str) -> bool:
        """Whether some tensor's name begins with one of these."""
        return any(name.startswith(prefixes) for name in self.shapes)


def read_header(file: Path) -> Header:
    """Read 8 bytes of length and a JSON header. Raises `EOFError` if cut short, `ValueError` if foreign."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > size - 8:
            raise EOFError
        if length > MAX_HEADER:
            raise ValueError("too long")
        raw = stream.read(length)
    try:
        table: dict[str, Any] = json.loads(raw)
        entries = {name: entry for name, entry in table.items() if name != "__metadata__"}
        ends = [int(entry["data_offsets"][1]) for entry in entries.values()]
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in entries.items()}
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("foreign") from error
    return Header(shapes, 8 + length + max(ends, default=0))


def safetensors_problem(file: Path) -> str:
    """Say what is wrong with the file's header or length, "" if nothing is."""
    try:
        return "is cut short" if read_header(file).end > file.stat().st_size else ""
    except EOFError:
        return "is cut short"
    except ValueError:
        return "is not a safetensors file"


def kind_of(header: Header) -> str:
    """What kind of model a file holds, with its article: `SDXL`, `LORA`, `VAE`, another, or `UNKNOWN`.

    Told apart by the tensor names of the original trainers (Stability AI's, kohya's) and of diffusers.
    """
    if header.any("lora_down", "lora_A", "lora_up", "hada_w1", "lokr_w1", ".lora.down"):
        return LORA
    if header.begins("model.diffusion_model.", "conditioner.", "cond_stage_model."):
        return _checkpoint(header)
    if header.begins("double_blocks.", "transformer_blocks.", "joint_blocks."):
        return "a transformer such as Flux or SD3, not SDXL"
    if header.begins("first_stage_model.", "decoder.conv_in."):
        return VAE
    if header.begins("down_blocks.", "input_blocks."):
        return "a UNet alone, without text encoders and autoencoder"
    return UNKNOWN


def _checkpoint(header: Header) -> str:
    if header.begins("model.diffusion_model.double_blocks.", "model.diffusion_model.joint_blocks."):
        return "a transformer such as Flux or SD3, not SDXL"
    if header.begins("cond_stage_model.transformer."):
        return "an SD1.x checkpoint, not SDXL"
    if header.begins("cond_stage_model.model."):
        return "an SD2.x checkpoint, not SDXL"
    if not header.begins("conditioner.embedders.1.") and header.begins("conditioner.embedders.0.model."):
        return "the refiner of SDXL, which paints nothing by itself"
    lost = _lost(header)
    if lost:
        return f"an SDXL checkpoint without its {' and '.join(lost)}"
    first = header.shapes.get("model.diffusion_model.input_blocks.0.0.weight", (0, 4))
    if first[1] == 9:
        return "an inpainting checkpoint, which paints only into other pictures"
    return SDXL


def _lost(header: Header) -> list[str]:
    parts: Iterable[tuple[str, str]] = (
        ("conditioner.embedders.0.", "first text encoder"),
        ("conditioner.embedders.1.", "second text encoder"),
        ("model.diffusion_model.", "UNet"),
    )
    return [what for prefix, what in parts if not header.begins(prefix)]
