"""What the parts of a profile need of memory and of arithmetic, from their sizes.

Counts are in bytes and in FLOPs, a multiplication and an addition being two. The constants of SDXL were
counted on its architecture without weights: activations as the largest sum of tensors that live at one moment
of a forward pass with fused attention, FLOPs by PyTorch's counter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pasta_core.planning.sizes import PainterSize, Sizes, ValueSize, WriterSize
from pasta_core.settings import PainterProfile, Profile, SessionSettings

__all__ = [
    "BYTES",
    "Work",
    "clip_bytes",
    "painter_bytes",
    "painting_bytes",
    "value_bytes",
    "work_of",
    "writer_bytes",
]

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of a value, by its type."""
_SPARE = 1.25
"""Workspaces of convolutions and what an allocator cannot use, beside the tensors themselves."""
_UNET_LIVE = 15.8
"""Values that live at a time in a UNet's pass for each latent and channel of its first blocks.

SDXL's, the same at 512 and at 1024 pixels."""
_DECODE_LIVE = 6.0
"""The same of an autoencoder, for each pixel and channel of its last blocks."""
_PREVIEW_LIVE = 189.0
"""The same of a preview's autoencoder (TAESDXL), for each pixel of the one that is being decoded."""
_PREVIEW_SIDE = 256
"""Pixels of a preview's longest side (`painter.previewing`)."""
_BATCH = 256
"""Tokens per pass of the writer (`agent.llama`)."""
_WORDS = 1.35
"""Tokens of a word of English."""
_ASKED = 1000
"""Tokens of the writer's and the value model's history."""


def dtype_bytes(name: str, gpu: bool) -> int:
    """Bytes of a value of the profile's type; `auto` is half precision on a GPU and float32 elsewhere."""
    return BYTES.get(name, 2 if gpu else 4)


def writer_bytes(size: WriterSize, profile: Profile, slots: int = 1) -> int:
    """Weights, keys and values of the whole context of every slot, logits and states of one pass."""
    work = _BATCH * (size.vocabulary + 16 * size.width) * 4
    cache = size.cache * profile.writer.context * slots
    return 0 if not size.bytes else size.bytes + size.eyes + cache + work


def painter_bytes(size: PainterSize, painter: PainterProfile, gpu: bool) -> int:
    """Weights of text encoders, UNet and autoencoder."""
    each = dtype_bytes(painter.dtype, gpu)
    return (size.text + size.unet) * each + size.vae * (4 if size.decode_wide else each)


def painting_bytes(size: PainterSize, painter: PainterProfile, gpu: bool, images: int) -> int:
    """The most that painting `images` at a time takes beside the weights: denoising, or decoding after it.

    Previews are decoded between two steps, shrunk first and one after another.
    """
    each = dtype_bytes(painter.dtype, gpu)
    rows = images * (2 if painter.guidance > 1 else 1)
    latents = (painter.size // size.factor) ** 2
    denoising = _UNET_LIVE * rows * latents * size.channels * each
    # from 512 pixels on they are decoded one by one
    decoded = 1 if painter.size >= 512 else images
    decoding = (
        _DECODE_LIVE * decoded * painter.size**2 * size.vae_channels * (4 if size.decode_wide else each)
    )
    looked = min(painter.size, _PREVIEW_SIDE) ** 2
    previews = 0.0 if painter.preview is None else (_PREVIEW_LIVE + 3 * images) * looked * each
    return int(max(denoising, decoding, previews) * _SPARE)


def clip_bytes(values: int, gpu: bool) -> int:
    """Weights of a CLIP; in half precision on a GPU."""
    return values * (2 if gpu else 4)


def value_bytes(size: ValueSize, gpu: bool) -> int:
    """Weights of a value model, bfloat16 on a GPU, and the states of one request."""
    each = 2 if gpu else 4
    return size.values * each + 2 * _ASKED * size.width * 24 * each


@dataclass(frozen=True)
class Work:
    """What one turn computes."""

    tokens: int
    """That the writer writes."""
    read: int
    """Tokens that it reads first."""
    painting: float
    """FLOPs of all images."""
    steps: int
    """Denoising steps of all passes."""
    valuing: float
    """FLOPs of all values, 0 without a value model."""


def work_of(profile: Profile, sizes: Sizes, session: SessionSettings) -> Work:
    """The arithmetic of a turn in the middle of a session of this shape."""
    painter, size = profile.painter, sizes.painter
    images = session.columns * session.images
    latents = (painter.size // size.factor) ** 2
    # linear layers and convolutions, and attention, which grows with the square of the image
    forward = size.unet * latents * (0.148 + 7.8e-7 * latents)
    guided = painter.guidance_until if painter.guidance > 1 else 0.0
    decode = 9.98e6 * painter.size**2 * size.vae / 83_653_863
    clip = 1.62e11 * sizes.clip / 427_616_513
    words = (10 + session.max_words) / 2
    tokens = round(session.form.total * words * _WORDS)
    value = sizes.value
    return Work(
        tokens=tokens,
        read=_ASKED,
        steps=math.ceil(images / painter.pass_size) * painter.steps,
        painting=images * (forward * painter.steps * (1 + guided) + decode + clip),
        valuing=0.0 if value is None else 2.0 * value.values * (_ASKED + tokens),
    )
