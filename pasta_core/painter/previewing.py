"""What an image will be, while it is painted: a small autoencoder decodes what the steps guess so far."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pasta_core.domain import Pixels
from pasta_core.errors import ModelUnavailable, PastaError

__all__ = ["OnPreview", "Previewer", "guessed_latents", "to_bytes", "to_pixels"]

OnPreview: TypeAlias = Callable[[int, int, Pixels], None]
"""Takes previews: the column, the index in it, and RGB pixels (h, w, 3). Called from the painting threads."""

LOOKS = 6
"""About how many previews there are of an image, however many steps it takes."""
SIDE = 256
"""The longest side of a preview in pixels: it is looked at small, and travels far."""


class Previewer:
    """An `AutoencoderTiny` of the painter's latent space, such as TAESDXL."""

    def __init__(self, decoder: AutoencoderTiny) -> None:
        # one image at a time: sixteen of 1024 pixels at once would take more memory than their denoising
        decoder.enable_slicing()
        self._decoder = decoder

    @classmethod
    def load(cls, path: Path, device: str, dtype: torch.dtype) -> Previewer:
        """Load a folder of diffusers, or a file in diffusers' names or in the original decoder's.

        Raises `ModelUnavailable` where there is none.
        """
        try:
            model = _from_folder(path, dtype) if path.is_dir() else _from_file(path, dtype)
        except PastaError:
            raise
        except (OSError, SafetensorError, ValueError, RuntimeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            foreign = "in loading state_dict" in lines[0]
            raise ModelUnavailable(
                f"the preview model {path} is no small autoencoder such as TAESDXL"
                if foreign
                else f"the preview model {path} does not load: {lines[0][:200]}",
                "fetch it again, or take [painter] preview out of the profile",
            ) from error
        model.to(device)
        return cls(model.eval())

    def due(self, step: int, steps: int) -> bool:
        """Whether a preview is worth its time after `step` (0-based): about `LOOKS` times, and at the end."""
        return (steps - 1 - step) % math.ceil(steps / LOOKS) == 0

    def look(self, latents: Tensor) -> list[Pixels]:
        """Decode latents (n, c, h, w) to RGB images whose longest side is at most `SIDE` pixels."""
        weights = next(self._decoder.parameters())
        height, width = latents.shape[-2:]
        scale = SIDE / self._decoder.spatial_scale_factor / max(height, width)
        if scale < 1:
            # before they are decoded: at 1024 pixels that is a sixteenth of the work
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            latents = F.interpolate(latents.float(), size=size, mode="area")
        images = self._decoder.decode(latents.to(weights.device, weights.dtype), return_dict=False)[0]
        return to_pixels(torch.nan_to_num(images))


def guessed_latents(output: Any, scheduler: Any) -> Tensor:
    """What a scheduler's step takes for the finished latents; what it has reached where it does not say."""
    for name in ("pred_original_sample", "denoised"):
        if isinstance(guess := getattr(output, name, None), Tensor):
            return guess
    # the multistep solvers keep their guesses, as long as they are guesses of the image and not of the noise
    kept = getattr(scheduler, "model_outputs", None)
    if kept and "++" in str(scheduler.config.get("algorithm_type", "")) and isinstance(kept[-1], Tensor):
        return kept[-1]
    reached: Tensor = output.prev_sample
    return reached


def to_pixels(images: Tensor) -> list[Pixels]:
    """Decoded images, (n, 3, h, w) from -1 to 1, as RGB pixels (h, w, 3)."""
    values = to_bytes(images).permute(0, 2, 3, 1).cpu().contiguous()
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = values.numpy()
    return list(pixels)


def to_bytes(values: Tensor) -> Tensor:
    """What a decoder makes, -1 to 1, in the 256 steps that a picture has of it; of the same shape."""
    return (values.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)


def _from_folder(folder: Path, dtype: torch.dtype) -> AutoencoderTiny:
    return AutoencoderTiny.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)


def _from_file(file: Path, dtype: torch.dtype) -> AutoencoderTiny:
    if file.suffix != ".safetensors":
        # others are unpickled, which runs what they say
        raise ModelUnavailable(f"the preview model {file} is no .safetensors file", "name one that is")
    tensors = {_diffusers_name(name): value for name, value in load_file(file).items()}
    decoder = {
        name.removeprefix("decoder."): value for name, value in tensors.items() if name.startswith("decoder.")
    }
    model = AutoencoderTiny()
    model.decoder.load_state_dict(decoder)
    return model.to(dtype)


def _diffusers_name(name: str) -> str:
    """The original decoder begins with a layer that only clamps, which diffusers does not count."""
    found = re.fullmatch(r"(\d+)\.(.+)", name)
    return f"decoder.layers.{int(found[1]) - 1}.{found[2]}" if found else name
