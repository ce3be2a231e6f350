"""Images that a painter cannot have meant."""

from __future__ import annotations

import torch
from torch import Tensor

from pasta_core.errors import ModelUnavailable

__all__ = ["refuse_faulty"]

_HINT = (
    "SDXL's own autoencoder overflows in float16: name sdxl-vae-fp16-fix as [painter] vae, or choose "
    "dtype bfloat16 or float32; else fetch the checkpoint again"
)


def refuse_faulty(images: Tensor) -> None:
    """Raise `ModelUnavailable` where decoded images, (n, 3, h, w) about -1 to 1, are not numbers or black."""
    if not bool(torch.isfinite(images).all()):
        raise ModelUnavailable("the painter computed what is no number (NaN) instead of an image", _HINT)
    if bool((images.amax(dim=(1, 2, 3)) <= -1).any()):
        raise ModelUnavailable("the painter painted an image that is black all over", _HINT)
