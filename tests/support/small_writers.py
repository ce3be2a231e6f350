"""Small writers in the file formats of large ones: instruct GGUFs, image encoders, a model with M-RoPE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

MICRO = Path(__file__).parents[2] / "assets" / "micro" / "writer" / "writer.gguf"

CHATML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' }}{{- message.content }}"
    "{{- '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}{%- endif %}"
)
"""Qwen3's template, as far as one message needs it."""

Tensors = dict[str, npt.NDArray[np.float32]]


def instruct(
    path: Path,
    template: str | None = CHATML,
    damage: str = "",
    *,
    without: str = "",
    architecture: str = "llama",
    tokenizer: str = "",
) -> Path:
    """The micro writer as an instruct model; without a template, one that has none.

    The float32 tensor `damage` holds no numbers, the tensor `without` is missing; it may call itself another
    `architecture`, and its `tokenizer` another type.
    """
    reader = gguf.GGUFReader(MICRO)
    writer = gguf.GGUFWriter(path, architecture)
    _copy_fields(
        reader, writer, "llama", architecture, {"tokenizer.ggml.pre": tokenizer} if tokenizer else {}
    )
    if template is not None:
        writer.add_chat_template(template)
    for tensor in reader.tensors:
        if tensor.name == without:
            continue
        data = tensor.data * np.float32("nan") if tensor.name == damage else tensor.data
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type)
    return _written(writer, path)


def turning(path: Path) -> Path:
    """The micro writer as a Qwen2-VL language model, whose positions have a height and a width (M-RoPE)."""
    reader = gguf.GGUFReader(MICRO)
    writer = gguf.GGUFWriter(path, "qwen2vl")
    _copy_fields(reader, writer, "llama", "qwen2vl")
    writer.add_rope_dimension_sections([8, 8, 8, 0])
    writer.add_chat_template(CHATML)
    width = 192
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    for layer in range(4):
        for name in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"blk.{layer}.{name}.bias", np.zeros(width, dtype=np.float32))
    return _written(writer, path)


def llava_eyes(path: Path, *, width: int = 192, size: int = 32, patch: int = 8) -> Path:
    """An image encoder as LLaVA's: a CLIP and two linear layers to a language model of this `width`."""
    hidden, inner, layers = 32, 64, 2
    writer = gguf.GGUFWriter(path, "clip")
    _encoder_fields(writer, "mlp", hidden, inner, layers, size, patch, width)
    rng = np.random.default_rng(3)
    tensors: Tensors = {
        "v.class_embd": _drawn(rng, hidden),
        "v.patch_embd.weight": _drawn(rng, hidden, 3, patch, patch),
        "v.position_embd.weight": _drawn(rng, (size // patch) ** 2 + 1, hidden),
        "mm.0.weight": _drawn(rng, width, hidden),
        "mm.0.bias": _drawn(rng, width),
        "mm.2.weight": _drawn(rng, width, width),
        "mm.2.bias": _drawn(rng, width),
    }
    for norm in ("pre_ln", "post_ln"):
        tensors |= {f"v.{norm}.weight": np.ones(hidden, np.float32), f"v.{norm}.bias": _drawn(rng, hidden)}
    for layer in range(layers):
        tensors |= _layer(rng, f"v.blk.{layer}", hidden, inner)
    return _with_tensors(writer, tensors, path)


def qwen_eyes(path: Path, *, width: int = 192, size: int = 64, patch: int = 8) -> Path:
    """An image encoder as Qwen2-VL's, of any picture size: four patches become one token."""
    hidden, inner, layers = 32, 64, 2
    writer = gguf.GGUFWriter(path, "clip")
    _encoder_fields(writer, "qwen2vl_merger", hidden, inner, layers, size, patch, width)
    rng = np.random.default_rng(4)
    tensors: Tensors = {
        "v.patch_embd.weight": _drawn(rng, hidden, 3, patch, patch),
        "v.patch_embd.weight.1": _drawn(rng, hidden, 3, patch, patch),
        "v.post_ln.weight": np.ones(hidden, np.float32),
        "v.post_ln.bias": _drawn(rng, hidden),
        "mm.0.weight": _drawn(rng, 4 * hidden, 4 * hidden),
        "mm.0.bias": _drawn(rng, 4 * hidden),
        "mm.2.weight": _drawn(rng, width, 4 * hidden),
        "mm.2.bias": _drawn(rng, width),
    }
    for layer in range(layers):
        tensors |= _layer(rng, f"v.blk.{layer}", hidden, inner)
    return _with_tensors(writer, tensors, path)


def _encoder_fields(
    writer: Any, kind: str, hidden: int, inner: int, layers: int, size: int, patch: int, width: int
) -> None:
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", kind)
    writer.add_uint32("clip.vision.image_size", size)
    writer.add_uint32("clip.vision.patch_size", patch)
    writer.add_uint32("clip.vision.embedding_length", hidden)
    writer.add_uint32("clip.vision.feed_forward_length", inner)
    writer.add_uint32("clip.vision.projection_dim", width)
    writer.add_uint32("clip.vision.block_count", layers)
    writer.add_uint32("clip.vision.attention.head_count", 2)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.48, 0.46, 0.41])
    writer.add_array("clip.vision.image_std", [0.27, 0.26, 0.28])
    writer.add_bool("clip.use_gelu", True)


def _layer(rng: np.random.Generator, name: str, hidden: int, inner: int) -> Tensors:
    tensors: Tensors = {}
    for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
        tensors |= {
            f"{name}.{part}.weight": _drawn(rng, hidden, hidden),
            f"{name}.{part}.bias": _drawn(rng, hidden),
        }
    for part in ("ln1", "ln2"):
        tensors |= {
            f"{name}.{part}.weight": np.ones(hidden, np.float32),
            f"{name}.{part}.bias": _drawn(rng, hidden),
        }
    tensors |= {
        f"{name}.ffn_up.weight": _drawn(rng, inner, hidden),
        f"{name}.ffn_up.bias": _drawn(rng, inner),
    }
    return tensors | {
        f"{name}.ffn_down.weight": _drawn(rng, hidden, inner),
        f"{name}.ffn_down.bias": _drawn(rng, hidden),
    }


def _drawn(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    return rng.normal(0, 0.3, shape).astype(np.float32)


def _copy_fields(
    reader: Any, writer: Any, old: str, new: str, changed: Mapping[str, str] = MappingProxyType({})
) -> None:
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        more = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        value = changed.get(name) or field.contents()
        writer.add_key_value(name.replace(f"{old}.", f"{new}."), value, kind, more)


def _with_tensors(writer: Any, tensors: Mapping[str, npt.NDArray[np.float32]], path: Path) -> Path:
    for name, values in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    return _written(writer, path)


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
