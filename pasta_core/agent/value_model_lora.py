"""Low-rank adapters of a value model (LoRA): a few added matrices learn, the language model stays as it is.

What is stored is the adapter alone, in peft's own format, with the name and a digest of the base it belongs
to. Learning needs peft (an extra); an adapter that has been learnt is added to its base without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pasta_core.agent.value_model import ValueModel
from pasta_core.agent.value_model_adapter import Adapter, LoraSettings
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError
from pasta_core.files import replacing, write_atomically

__all__ = [
    "ADAPTER",
    "base_of",
    "merge_adapter",
    "model_digest",
    "require_peft",
    "save_adapter",
    "with_adapter",
]

ADAPTER = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
"""Before every name in an adapter's file, so that peft itself reads it."""
_SAMPLES, _SAMPLE = 64, 1 << 16


def require_peft() -> Any:
    """The peft library; `PastaError` says what to install."""
    try:
        import peft
    except ImportError as error:
        raise PastaError("--lora needs peft", "install pasta-t2i[lora]") from error
    return peft


def with_adapter(model: ValueModel, base: Path, settings: LoraSettings, seed: int) -> ValueModel:
    """The model with fresh adapters, which alone can learn and at first change nothing.

    `base` is the folder it was loaded from. `PastaError` without peft, `InvalidInput` where `base` is no
    whole model or has no layer of those names.
    """
    peft = require_peft()
    if not (base / "config.json").is_file():
        raise InvalidInput(f"{base} is no whole model", "name the folder of a language model: --base DIR")
    language_model = model.network.language_model
    known = {name.rpartition(".")[2] for name, _ in language_model.named_modules()}
    if strange := [name for name in settings.names if name not in known]:
        raise InvalidInput(f"the model in {base} has no layer {strange[0]!r}", "change lora_targets")
    language_model.requires_grad_(False)
    torch.manual_seed(seed)
    peft.inject_adapter_in_model(_peft_config(peft, settings), language_model)
    return replace(model, adapter=Adapter(base.absolute(), model_digest(base), settings))


def save_adapter(model: ValueModel, folder: Path, *, half: bool) -> dict[str, Any]:
    """Write the adapter's two files; returns what `value_model.json` says of its base."""
    peft, adapter = require_peft(), model.adapter
    assert adapter is not None
    state = peft.get_peft_model_state_dict(model.network.language_model)
    tensors = {
        _PREFIX + name: (value.half() if half else value).detach().cpu().contiguous().clone()
        for name, value in state.items()
    }
    with replacing(folder / ADAPTER) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})
    config = _peft_config(peft, adapter.settings).to_dict()
    config |= {"base_model_name_or_path": adapter.base.name, "target_modules": adapter.settings.names}
    # its sets have no order, and equal trainings leave equal bytes
    document = json.dumps(config, indent=2, sort_keys=True, default=lambda value: sorted(map(str, value)))
    write_atomically(folder / _CONFIG, document.encode() + b"\n")
    return {"name": adapter.base.name, "path": str(adapter.base), "digest": adapter.digest}


def base_of(folder: Path, told: Mapping[str, Any]) -> Path:
    """Where the base of the adapter in `folder` lies: where it was, else beside the folder under its name.

    `told` is what `save_adapter` returned. `ModelUnavailable` where the base is in neither place, where other
    models are there now, or where `told` is damaged.
    """
    try:
        name, digest = str(told["name"]), str(told["digest"])
        places = [Path(told["path"]), folder.parent / name]
    except (KeyError, TypeError) as error:
        raise ModelUnavailable(f"{folder} does not say which base it needs", "train it again") from error
    found = [place for place in places if (place / "config.json").is_file()]
    for place in found:
        if model_digest(place) == digest:
            return place
    if not found:
        raise ModelUnavailable(
            f"{folder} needs its base {name}, which is not in {places[0]}", f"put it into {places[1]}"
        )
    raise ModelUnavailable(
        f"the model in {found[0]} is not the one that {folder} was trained on", f"put that into {places[1]}"
    )


@torch.no_grad()
def merge_adapter(language_model: Any, folder: Path) -> None:
    """Add an adapter's products to the weights of its base: W + (alpha / r) B A, in place.

    `ModelUnavailable` where the adapter is damaged or does not fit.
    """
    try:
        config = json.loads((folder / _CONFIG).read_bytes())
        state, scale = load_file(folder / ADAPTER), float(config["lora_alpha"]) / int(config["r"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, SafetensorError) as error:
        raise ModelUnavailable(f"the adapter in {folder} is missing or damaged", "train it again") from error
    left = dict(state)
    for name, module in language_model.named_modules():
        first = left.pop(f"{_PREFIX}{name}.lora_A.weight", None)
        second = left.pop(f"{_PREFIX}{name}.lora_B.weight", None)
        if first is None and second is None:
            continue
        if first is None or second is None or not _fits(module.weight, first, second):
            raise ModelUnavailable(f"the adapter in {folder} does not fit {name}", "train it again")
        weight = module.weight
        weight += (scale * (second.float() @ first.float())).to(weight.dtype)
    if left or not state:
        raise ModelUnavailable(f"the adapter in {folder} does not fit its base", "train it again")


def _fits(weight: Tensor, first: Tensor, second: Tensor) -> bool:
    return (second.shape[0], first.shape[1]) == tuple(weight.shape) and first.shape[0] == second.shape[1]


def model_digest(folder: Path) -> str:
    """A hash of a language model's configuration and tokenizer, and of samples all over its weights."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.suffix == ".safetensors"):
        size = file.stat().st_size
        whole.update(f"{file.name} {size} ".encode())
        with file.open("rb") as stream:
            for number in range(_SAMPLES):
                stream.seek(number * max(size - _SAMPLE, 0) // (_SAMPLES - 1))
                whole.update(stream.read(_SAMPLE))
    for name in ("config.json", "tokenizer.json"):
        file = folder / name
        whole.update(file.read_bytes() if file.is_file() else b"")
    return whole.hexdigest()


def _peft_config(peft: Any, settings: LoraSettings) -> Any:
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=settings.names,
        # q and v are regressed exactly as in the whole model: nothing is dropped
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
