"""How many weights a profile's parts have, by the headers of their files or by what the profile declares."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.gguf_header import GgufFacts, gguf_facts
from pasta_core.models import parts
from pasta_core.safetensors_header import read_header
from pasta_core.settings import Profile

__all__ = ["PainterSize", "Sizes", "ValueSize", "WriterSize", "cache_of", "sizes_of", "value_size"]

_SDXL = {"text_encoder": 123_060_480, "text_encoder_2": 694_659_840, "unet": 2_567_463_684, "vae": 83_653_863}
"""Weights of SDXL 1.0's models, for a checkpoint that is not here yet."""
_VIT_L = 427_616_513
"""Weights of CLIP ViT-L/14."""
_CACHE = 36 * 2 * 8 * 128 * 2
"""Bytes of keys and values a token takes in a usual 4-billion model: 36 layers, 8 heads of 128, float16."""
_VOCABULARY = 151_936
_SMALL = 1 << 22
_SIGHT = ("vision_tower", "multi_modal_projector")
"""Modules of a model that also sees which a value model leaves on the disk."""


@dataclass(frozen=True)
class WriterSize:
    """A language model of llama.cpp."""

    bytes: int
    """Of its file, and of its weights in memory."""
    cache: int
    """Of the keys and values of a token, float16."""
    vocabulary: int
    width: int
    eyes: int
    """Of its image encoder's file, 0 where it has none."""
    known: bool
    """Whether the files were here to be looked at."""


@dataclass(frozen=True)
class PainterSize:
    """Weights of a pipeline's models, and what its activations grow with."""

    text: int
    unet: int
    vae: int
    channels: int
    """Channels of the UNet's first blocks."""
    vae_channels: int
    """Channels of the autoencoder's last blocks."""
    factor: int
    """Pixels a side of one latent."""
    decode_wide: bool
    """Whether the autoencoder runs in float32 beside a UNet in float16."""
    known: bool


@dataclass(frozen=True)
class ValueSize:
    """Weights of a value model."""

    values: int
    width: int
    known: bool


@dataclass(frozen=True)
class Sizes:
    """All parts of a profile."""

    writer: WriterSize
    painter: PainterSize
    clip: int
    """Weights of its CLIP."""
    clip_known: bool
    user: int
    """Weights of its user model, 0 where it has none."""
    value: ValueSize | None


def sizes_of(profile: Profile) -> Sizes:
    """Read every header that is here; a damaged file counts as none (`models` says what is wrong with it)."""
    declared = {part.role: part.source.bytes for part in parts(profile)}
    clip = _weights(profile.clip.model)
    return Sizes(
        writer=_writer(profile, declared),
        painter=_painter(profile, declared),
        clip=clip or declared.get("clip", 0) // 4 or _VIT_L,
        clip_known=clip > 0,
        user=0 if profile.user_model is None else _weights(profile.user_model),
        value=None if profile.value_model is None else value_size(profile.value_model),
    )


def value_size(folder: Path) -> ValueSize:
    """The size of a value model's folder, or of what its adapter belongs to."""
    base = _json(folder / "value_model.json").get("base")
    if isinstance(base, Mapping):
        places = (Path(str(base.get("path", ""))), folder.parent / str(base.get("name", "")))
        folder = next((place for place in places if (place / "config.json").is_file()), folder)
    own = _weights(folder, without=_SIGHT)
    config = _json(folder / "config.json")
    # of a model that also sees, that of its language model
    text = config.get("text_config")
    width = (text if isinstance(text, Mapping) else config).get("hidden_size")
    return ValueSize(own, int(width) if isinstance(width, int) else 0, own > 0)


def _writer(profile: Profile, declared: Mapping[str, int]) -> WriterSize:
    writer = profile.writer
    if writer.url:
        # its model is a name there, and no file here
        return WriterSize(0, 0, 0, 0, 0, True)
    file = writer.model
    eyes = 0
    if writer.mmproj is not None:
        eyes = _length(writer.mmproj) or declared.get("mmproj", 0)
    try:
        facts = gguf_facts(file)
    except (OSError, ValueError, KeyError, EOFError):
        return WriterSize(_length(file) or declared.get("writer", 0), _CACHE, _VOCABULARY, 2560, eyes, False)
    return WriterSize(
        _length(file),
        cache_of(facts),
        facts.vocabulary or facts.numbers.get("vocab_size", _VOCABULARY),
        facts.numbers.get("embedding_length", 2560),
        eyes,
        True,
    )


def cache_of(facts: GgufFacts) -> int:
    """Bytes of float16 keys and values that a token takes in all layers; sliding windows count as whole."""
    layers, heads = facts.numbers.get("block_count", 0), facts.numbers.get("attention.head_count", 0)
    if not layers or not heads:
        return _CACHE
    each = facts.lists.get("attention.head_count_kv")
    kept = sum(each) if each else layers * facts.numbers.get("attention.head_count_kv", heads)
    head = facts.numbers.get("embedding_length", 0) // heads
    keys = facts.numbers.get("attention.key_length", head)
    values = facts.numbers.get("attention.value_length", head)
    return 2 * kept * (keys + values)


def _painter(profile: Profile, declared: Mapping[str, int]) -> PainterSize:
    painter = profile.painter
    config = painter.config if painter.model.suffix == ".safetensors" and painter.config else painter.model
    unet, vae = _json(config / "unet" / "config.json"), _json(config / "vae" / "config.json")
    counts = _counted(painter.model)
    known = counts is not None
    if counts is None:
        share = declared.get("painter", 0) / (2 * sum(_SDXL.values())) or 1.0
        counts = {name: round(count * share) for name, count in _SDXL.items()}
    if painter.vae is not None:
        counts["vae"] = _weights(painter.vae) or declared.get("vae", 0) // 4 or counts["vae"]
    blocks = vae.get("block_out_channels") or [128, 256, 512, 512]
    return PainterSize(
        text=counts.get("text_encoder", 0) + counts.get("text_encoder_2", 0),
        unet=counts.get("unet", 0),
        vae=counts.get("vae", 0),
        channels=int((unet.get("block_out_channels") or [320])[0]),
        vae_channels=int(blocks[0]),
        factor=2 ** (len(blocks) - 1),
        decode_wide=painter.vae is None and bool(vae.get("force_upcast", False)),
        known=known,
    )


_PREFIXES = {
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "vae.": "vae",
}


def _counted(model: Path) -> dict[str, int] | None:
    """Weights by model of a pipeline's folder or of a checkpoint; None where it is not here."""
    if model.is_dir():
        names = ("text_encoder", "text_encoder_2", "unet", "vae")
        counts = {name: _weights(model / name) for name in names}
        return counts if counts["unet"] else None
    try:
        shapes = read_header(model).shapes
    except (OSError, ValueError, EOFError):
        return None
    counts = dict.fromkeys(_PREFIXES.values(), 0)
    for name, shape in shapes.items():
        for prefix, part in _PREFIXES.items():
            if name.startswith(prefix):
                counts[part] += math.prod(shape)
    return counts


def _weights(place: Path, without: Collection[str] = ()) -> int:
    """Weights in a `.safetensors` file, or in those of a folder; of several precisions in one the first.

    Those of modules whose names are among `without` are not counted.
    """
    try:
        files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
        return sum(_values(file, without) for file in _one_precision(files))
    except OSError:
        return 0


def _one_precision(files: Iterable[Path]) -> list[Path]:
    found = list(files)
    plain = [file for file in found if ".fp16" not in file.name]
    return plain or found


def _values(file: Path, without: Collection[str]) -> int:
    try:
        shapes = read_header(file).shapes
        return sum(
            math.prod(shape) for name, shape in shapes.items() if not set(name.split(".")) & set(without)
        )
    except (OSError, ValueError, EOFError):
        return 0


def _length(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _SMALL:
            return {}
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
