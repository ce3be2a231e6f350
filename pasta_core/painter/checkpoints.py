"""SDXL checkpoints in one `.safetensors` file, as ComfyUI and A1111 use them, loaded without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.painter.clip_tokenizers import sdxl_tokenizers
from pasta_core.painter.room import lacks_memory
from pasta_core.safetensors_header import SDXL, Header, kind_of, read_header, safetensors_problem

__all__ = ["load_autoencoder", "load_checkpoint", "load_scheduler"]

_OTHER_SHAPE = re.compile(
    r"because (\S+) expected shape torch\.Size\((\[[\d, ]*\])\), but got torch\.Size\((\[[\d, ]*\])\)"
)
"""How diffusers says that a tensor does not fit: its name, the shape that is wanted, and the one there is."""


def load_checkpoint(
    file: Path, config: Path, dtype: torch.dtype, parts: Mapping[str, Any]
) -> StableDiffusionXLPipeline:
    """Load a checkpoint whose architecture the folder `config` describes; `parts` replace what it holds.

    Raises `ModelUnavailable` where the file is damaged, of another family, or lacks a part.
    """
    if problem := safetensors_problem(file):
        raise ModelUnavailable(f"the painter {file} {problem}", "fetch it again")
    header = read_header(file)
    if (kind := kind_of(header)) != SDXL:
        raise ModelUnavailable(f"the painter {file} is {kind}", "name an SDXL checkpoint as [painter] model")
    if "vae" not in parts and not header.begins("first_stage_model.", "vae."):
        raise ModelUnavailable(
            f"the painter {file} holds no autoencoder", "name one as [painter] vae in the profile"
        )
    tokenizer, tokenizer_2 = sdxl_tokenizers()
    scheduler = {} if "scheduler" in parts else {"scheduler": _scheduler(config, header)}
    with _naming(f"the painter {file}"):
        pipe: StableDiffusionXLPipeline = StableDiffusionXLPipeline.from_single_file(
            str(file),
            config=str(config),
            dtype=dtype,
            local_files_only=True,
            add_watermarker=False,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            **scheduler,
            **parts,
        )
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        lost = [key for key, value in getattr(pipe, name).named_parameters() if value.is_meta]
        if lost:
            raise ModelUnavailable(f"the painter {file} lacks {name}.{lost[0]}", "fetch it again")
    return pipe


def load_autoencoder(path: Path, config: Path, dtype: torch.dtype) -> Any:
    """Load an autoencoder: a folder of diffusers, or a file in the original's or diffusers' names."""
    with _naming(f"the autoencoder {path}"):
        return _autoencoder(path, config, dtype)


def _autoencoder(path: Path, config: Path, dtype: torch.dtype) -> Any:
    if path.is_dir():
        kind = str(_json(path / "config.json").get("_class_name"))
        if kind not in ("AutoencoderKL", "AutoencoderTiny"):
            raise ModelUnavailable(f"the autoencoder {path} is of kind {kind}", "name an AutoencoderKL")
        return getattr(diffusers, kind).from_pretrained(
            path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
    if path.suffix != ".safetensors":
        # others are unpickled, which runs what they say
        raise ModelUnavailable(f"the autoencoder {path} is no .safetensors file", "name one that is")
    return diffusers.AutoencoderKL.from_single_file(
        str(path), config=str(config), subfolder="vae", dtype=dtype, local_files_only=True
    )


def load_scheduler(file: Path) -> Any:
    """Make the scheduler that a JSON file of diffusers describes."""
    return _made(_json(file), file)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say what the libraries found wrong with a model, in words that are not about their own insides."""
    try:
        yield
    except PastaError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        if found := _OTHER_SHAPE.search(text):
            raise ModelUnavailable(
                f"{what} has other shapes than its configuration: {found[1]} is {found[3]}, not {found[2]}",
                "name a folder of its own shapes as [painter] config, or another file",
            ) from error
        if "meta tensor" in text or "appear to be missing" in text:
            raise ModelUnavailable(
                f"{what} lacks some of its weights", "fetch it again, or name another"
            ) from error
        raise ModelUnavailable(
            f"{what} does not load: {text[:160]}", "fetch it again, or name another"
        ) from error


def _scheduler(config: Path, header: Header) -> Any:
    """The folder's scheduler; a checkpoint that says so predicts velocity, down to no signal at all."""
    file = config / "scheduler" / "scheduler_config.json"
    table = _json(file)
    if "v_pred" in header.shapes:
        table["prediction_type"] = "v_prediction"
        table["rescale_betas_zero_snr"] = "ztsnr" in header.shapes
    return _made(table, file)


def _made(table: dict[str, Any], file: Path) -> Any:
    kind = getattr(diffusers, str(table.get("_class_name")), None)
    if kind is None or not issubclass(kind, diffusers.SchedulerMixin):
        raise ModelUnavailable(f"{file} names no scheduler of diffusers", "correct its _class_name")
    return kind.from_config(table)


def _json(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(table, dict):
            return table
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{file} cannot be read", "put it back, or name another") from error
    raise ModelUnavailable(f"{file} is no configuration", "put it back, or name another")
