"""A profile's painter as one pipeline: a folder or a checkpoint, another autoencoder or scheduler, LoRAs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.painter.room import OutOfRoom, no_room, within_memory
from pasta_core.settings import Lora, PainterProfile

__all__ = ["DTYPES", "dtype_on", "load_pipeline"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
AUTO = "auto"
WEIGHTS = "unet/diffusion_pytorch_model"


def dtype_on(name: str, device: str) -> torch.dtype:
    """What a painter computes in on a device.

    `auto` is float16 on a GPU, as fast there as bfloat16 and eight times as fine, and float32 on a CPU.
    Raises `ModelUnavailable` for what nobody knows.
    """
    if name == AUTO:
        return torch.float16 if torch.device(device).type == "cuda" else torch.float32
    if name not in DTYPES:
        raise ModelUnavailable(
            f"the painter's dtype is {name!r}", f"choose one of {', '.join((AUTO, *DTYPES))}"
        )
    return DTYPES[name]


def load_pipeline(profile: PainterProfile, device: str, *, apart: bool = False) -> StableDiffusionXLPipeline:
    """Load it, without a network; `ModelUnavailable` names what is missing, damaged or foreign.

    Its models are on `device` afterwards; of those that are to be there `apart` from each other none is.
    """
    dtype = dtype_on(profile.dtype, device)
    try:
        pipe = within_memory(lambda: _pipeline(profile, dtype).to("cpu" if apart else device))
    except OutOfRoom:
        raise no_room(f"the painter in {profile.model}") from None
    except PastaError:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"the painter in {profile.model} does not load: {_first_line(error)}", "fetch or build it again"
        ) from error
    for lora in profile.loras:
        _add(pipe, lora, device)
    return pipe


def _add(pipe: StableDiffusionXLPipeline, lora: Lora, device: str) -> None:
    """Add a LoRA, multiplied on the device, where that is quick, wherever the weights are."""
    from pasta_core.painter.lora import add_lora

    try:
        add_lora(pipe, lora, device)
    except PastaError:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"the LoRA {lora.path} cannot be added: {_first_line(error)}",
            "take it out of the profile's loras",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _pipeline(profile: PainterProfile, dtype: torch.dtype) -> StableDiffusionXLPipeline:
    model = profile.model
    single = model.suffix == ".safetensors"
    if not single:
        _check_folder(model)
    parts = _parts(profile, dtype)
    if single:
        from pasta_core.painter.checkpoints import load_checkpoint

        return load_checkpoint(model, _config(profile), dtype, parts)
    pipe: StableDiffusionXLPipeline = StableDiffusionXLPipeline.from_pretrained(
        model,
        dtype=dtype,
        variant=_variant(model),
        local_files_only=True,
        use_safetensors=True,
        add_watermarker=False,
        **parts,
    )
    return pipe


def _parts(profile: PainterProfile, dtype: torch.dtype) -> dict[str, Any]:
    """What the profile names instead of the model's own."""
    parts: dict[str, Any] = {}
    if profile.scheduler is not None or profile.vae is not None:
        from pasta_core.painter.checkpoints import load_autoencoder, load_scheduler

        if profile.scheduler is not None:
            parts["scheduler"] = load_scheduler(profile.scheduler)
        if profile.vae is not None:
            folder = profile.model if profile.model.is_dir() else _config(profile)
            parts["vae"] = load_autoencoder(profile.vae, folder, dtype)
    return parts


def _config(profile: PainterProfile) -> Path:
    if profile.config is None:
        raise ModelUnavailable(
            f"nothing says what shapes the checkpoint {profile.model} has",
            "name a folder as [painter] config in the profile",
        )
    return profile.config


def _check_folder(folder: Path) -> None:
    if not (folder / "model_index.json").is_file():
        raise ModelUnavailable(
            f"there is no painter in {folder}: model_index.json is missing",
            "point the profile's [painter] model at a folder of an SDXL pipeline or a checkpoint",
        )
    for tokenizer in ("tokenizer", "tokenizer_2"):
        # Without its files a tokenizer loads all the same, with an empty vocabulary.
        if not any((folder / tokenizer / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise ModelUnavailable(
                f"the painter in {folder} lacks the vocabulary of {tokenizer}", "fetch or build it again"
            )


def _variant(folder: Path) -> str | None:
    """The variant fp16 where the folder has its weights only under that name."""
    plain = any(folder.glob(f"{WEIGHTS}.safetensors")) or any(folder.glob(f"{WEIGHTS}-*.safetensors"))
    return None if plain or not any(folder.glob(f"{WEIGHTS}.fp16*.safetensors")) else "fp16"
