"""LoRA files, added to a pipeline's weights once: W + weight * alpha / rank * up @ down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True)
class _Addition:
    module: str
    down: Tensor
    up: Tensor
    scale: float


@torch.no_grad()
def add_lora(pipe: StableDiffusionXLPipeline, lora: Lora) -> None:
    """Add a file's matrices to the UNet and the text encoders.

    Tensors are named as kohya's trainers name them (after diffusers' modules or the original ones) or as
    diffusers and PEFT do. Raises `ModelUnavailable` for what is unreadable, for another model, or no LoRA.
    """
    tensors, metadata = _read(lora.path)
    modules = _modules(pipe)
    additions = list(_additions(tensors, metadata))
    if not additions:
        raise _unusable(lora.path, "holds no LoRA")
    for addition in additions:
        module = modules.get(addition.module)
        if module is None:
            raise _unusable(lora.path, f"is for another model: this painter has no {addition.module}")
        change = _change(addition, module.weight.device)
        if change.shape != module.weight.shape:
            raise _unusable(lora.path, f"is for another model: {addition.module} has another shape")
        added = module.weight.float() + lora.weight * addition.scale * change
        module.weight.copy_(added)


def _read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise _unusable(path, "cannot be read") from error
    for name in tensors:
        for part in _UNREAD:
            if part in name:
                raise _unusable(path, f"is no plain LoRA ({part}), and others are not read")
    return tensors, metadata


def _additions(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Iterator[_Addition]:
    for name, down in tensors.items():
        if (found := _DOWN.fullmatch(name)) is None:
            continue
        module, kind = found.groups()
        up = tensors.get(f"{module}.{_UP[kind]}.weight")
        if up is None:
            continue
        alpha = tensors.get(f"{module}.alpha")
        yield _Addition(module, down, up, _scale(module, len(down), alpha, metadata))


def _scale(module: str, rank: int, alpha: Tensor | None, metadata: Mapping[str, Any]) -> float:
    """alpha / rank; without an alpha, the file's own metadata says it, and without that it is 1."""
    if alpha is not None:
        return float(alpha) / rank
    component = module.partition(".")[0]
    said = metadata.get(f"{component}.lora_alpha")
    return 1.0 if said is None else float(said) / rank


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
