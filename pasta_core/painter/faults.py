"""Images that a painter cannot have meant."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pasta_core.errors import ModelUnavailable
from pasta_core.painter.previewing import to_bytes

__all__ = ["refuse_faulty"]

_DECODER = (
    "SDXL's own autoencoder overflows in float16: name sdxl-vae-fp16-fix as [painter] vae, or choose "
    "dtype bfloat16 or float32; else fetch the checkpoint again"
)
_UNET = (
    "if its dtype is float16, choose bfloat16; else take its LoRAs out of the profile one by one, or fetch "
    "the checkpoint again"
)


def refuse_faulty(latents: Tensor, images: Tensor, names: Sequence[str]) -> None:
    """Raise `ModelUnavailable` where images are not numbers or black all over, naming the first of them.

    `images` (n, 3, h, w), about -1 to 1, were decoded from `latents` (n, c, h/8, w/8); `names` say where they
    belong. It also says which model is to blame. Black is what has no byte above 0 as a picture.
    """
    if (lost := _first(~torch.isfinite(latents).all(dim=(1, 2, 3)))) is not None:
        raise ModelUnavailable(
            f"the painter's UNet computed what is no number (NaN) for {names[lost]}", _UNET
        )
    if (lost := _first(~torch.isfinite(images).all(dim=(1, 2, 3)))) is not None:
        raise ModelUnavailable(
            f"the painter's autoencoder computed what is no number (NaN) for {names[lost]}", _DECODER
        )
    if (lost := _first(to_bytes(images.amax(dim=(1, 2, 3))) == 0)) is not None:
        raise ModelUnavailable(f"the painter painted {names[lost]} black all over", _DECODER)


def _first(wrong: Tensor) -> int | None:
    """The index of the first that is wrong."""
    return int(wrong.int().argmax()) if bool(wrong.any()) else None
