"""LoRA files, added to a pipeline's weights once: W + weight * alpha / rank * up @ down.

Of a rank-stabilised one (rsLoRA, arXiv 2312.03732) alpha is divided by the root of the rank.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pasta_core.errors import ModelUnavailable
from pasta_core.painter.original_names import original_name
from pasta_core.settings import Lora

__all__ = ["add_lora"]

_DOWN = re.compile(r"(.+?)\.(lora_down|lora_A|lora\.down)\.weight")
_UP = {"lora_down": "lora_up", "lora_A": "lora_B", "lora.down": "lora.up"}
_UNREAD = ("dora_scale", "lora_magnitude_vector", "hada_w1", "lokr_w1")
"""Parts of tensor names that belong to other kinds of additions."""
_LITERAL = re.compile(r"[\w.]+")
_ADAPTER = "lora_adapter_metadata"
"""What diffusers calls PEFT's settings in a file's header."""


@dataclass(frozen=True)
class _Addition:
    module: str
    down: Tensor
    up: Tensor
    scale: float


@torch.no_grad()
def add_lora(pipe: StableDiffusionXLPipeline, lora: Lora, device: str | None = None) -> None:
    """Add a file's matrices to the UNet and the text encoders, which stay where they are.

    What is added is computed on `device`, one weight after the other, or where the weight is.

    Tensors are named as kohya's trainers name them (after diffusers' modules or the original ones) or as
    diffusers and PEFT do. Raises `ModelUnavailable` for what is unreadable, for another model, or no LoRA,
    and for a file of which some tensors would have no effect.
    """
    tensors, metadata = _read(lora.path)
    modules = _modules(pipe)
    try:
        additions, unread = _additions(tensors, metadata)
    except ValueError as error:
        raise _unusable(lora.path, f"is malformed: {error}") from error
    if additions and unread:
        raise _unusable(lora.path, f"is no plain LoRA: nothing here reads its {unread[0]}")
    if not additions:
        raise _unusable(lora.path, "holds no LoRA")
    for addition in additions:
        module = modules.get(addition.module)
        if module is None:
            raise _unusable(lora.path, f"is for another model: this painter has no {addition.module}")
        weight = module.weight.to(device or module.weight.device)
        change = _change(addition, weight.device)
        if change.shape != weight.shape:
            raise _unusable(lora.path, f"is for another model: {addition.module} has another shape")
        added = weight.float() + lora.weight * addition.scale * change
        module.weight.copy_(added.to(weight.dtype))


def _read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = json.loads((file.metadata() or {}).get(_ADAPTER, "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise _unusable(path, "cannot be read") from error
    if not isinstance(metadata, dict):
        raise _unusable(path, f"is malformed: its {_ADAPTER} is no table")
    for name in tensors:
        for part in _UNREAD:
            if part in name:
                raise _unusable(path, f"is no plain LoRA ({part}), and others are not read")
    return tensors, metadata


def _additions(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> tuple[list[_Addition], list[str]]:
    """Pair the matrices, and name the tensors that belong to no pair. Raises `ValueError`."""
    additions = []
    unread = dict.fromkeys(tensors)
    for name, down in tensors.items():
        if (found := _DOWN.fullmatch(name)) is None:
            continue
        module, kind = found.groups()
        other = f"{module}.{_UP[kind]}.weight"
        if (up := tensors.get(other)) is None:
            continue
        if down.ndim not in (2, 4) or up.ndim != down.ndim or not 0 < len(down) == math.prod(up.shape[1:]):
            raise ValueError(f"{module} has matrices of {list(down.shape)} and {list(up.shape)}")
        alpha = tensors.get(f"{module}.alpha")
        additions.append(_Addition(module, down, up, _scale(module, len(down), alpha, metadata)))
        for read in (name, other, f"{module}.alpha"):
            unread.pop(read, None)
    return additions, list(unread)


def _scale(module: str, rank: int, alpha: Tensor | None, metadata: Mapping[str, Any]) -> float:
    """alpha / rank; without an alpha, the file's own metadata says it, and without that it is 1.

    The metadata are PEFT's settings of each model: `lora_alpha`, `alpha_pattern` by module, `use_rslora`.
    """
    if alpha is not None:
        if alpha.numel() != 1:
            raise ValueError(f"{module} has an alpha of {alpha.numel()} numbers")
        return _finite(alpha.item(), module) / rank
    component, _, path = module.partition(".")
    said = metadata.get(f"{component}.lora_alpha", rank)
    patterns = metadata.get(f"{component}.alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise ValueError(f"its alpha_pattern of {component} is no table")
    for pattern, value in patterns.items():
        if not _LITERAL.fullmatch(pattern):
            raise ValueError(f"nothing here reads its alpha_pattern {pattern!r}")
        if path == pattern or path.endswith(f".{pattern}"):
            said = value
            break
    divisor = math.sqrt(rank) if metadata.get(f"{component}.use_rslora") else rank
    return _finite(said, module) / divisor


def _finite(value: Any, module: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{module} has the alpha {value!r}")
    return float(value)


def _change(addition: _Addition, device: torch.device) -> Tensor:
    """up @ down, shaped as the weight it is added to: (out, in) or (out, in, h, w)."""
    down, up = (tensor.to(device, torch.float32) for tensor in (addition.down, addition.up))
    if down.ndim == 2:
        return up @ down
    flat = up.flatten(1) @ down.flatten(1)
    return flat.reshape(up.shape[0], *down.shape[1:])


def _modules(pipe: StableDiffusionXLPipeline) -> dict[str, nn.Linear | nn.Conv2d]:
    """The modules that a LoRA can change, by every name that a file can give them."""
    config = pipe.unet.config
    attentive = frozenset(
        number for number, kind in enumerate(config["up_block_types"]) if kind.startswith("CrossAttn")
    )
    named: dict[str, nn.Linear | nn.Conv2d] = {}
    for path, module in pipe.unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            original = original_name(path, int(config["layers_per_block"]), attentive)
            for name in filter(None, (path, original)):
                named[f"lora_unet_{name.replace('.', '_')}"] = module
            named[f"unet.{path}"] = module
    for encoder, prefix in (("text_encoder", "lora_te1"), ("text_encoder_2", "lora_te2")):
        for path, module in getattr(pipe, encoder).named_modules():
            if isinstance(module, nn.Linear):
                # the first encoder lost its inner "text_model" in transformers 5, files keep it
                inside = path if path.startswith(("text_model.", "text_projection")) else f"text_model.{path}"
                named[f"{prefix}_{inside.replace('.', '_')}"] = module
                named[f"{encoder}.{inside}"] = module
    return named


def _unusable(path: Path, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"the LoRA {path} {why}", "take it out of the profile's loras")
