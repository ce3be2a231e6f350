"""The six styles: how a plain rendering turns into a photo, a sketch, a painting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

__all__ = ["SIDE", "apply_style"]

SIDE = 64
"""Side of a picture in pixels."""

FloatArray = npt.NDArray[np.floating[Any]]
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _luminance(pixels: FloatArray) -> FloatArray:
    return np.asarray(pixels @ LUMA, np.float32)


def _box_blur(plane: FloatArray) -> FloatArray:
    padded = np.pad(plane, ((1, 1), (1, 1), *([(0, 0)] * (plane.ndim - 2))), mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4, np.float32)


def _smooth_noise(noise: np.random.Generator, cells: int) -> FloatArray:
    """Noise in [-1, 1] that varies over `cells` patches a side."""
    coarse = noise.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(PillowImage.fromarray(coarse).resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC))


@lru_cache(maxsize=1)
def _edge_distance() -> FloatArray:
    """How far each pixel is from the picture's edge, in pixels."""
    line = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]).astype(np.float32)
    return np.minimum(line[:, None], line[None, :])


@lru_cache(maxsize=1)
def _hatching() -> FloatArray:
    """Diagonal pencil strokes with a period of four pixels, in [0, 1]."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.asarray(((rows + columns) % 4 < 2), np.float32)


@lru_cache(maxsize=1)
def _halftone() -> FloatArray:
    """A grid of printing dots with a period of four pixels, 1 inside a dot."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.asarray((rows % 4 < 2) & (columns % 4 < 2), np.float32)


def _photo(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    shading = 1.16 - 0.3 * (rows * 0.7 + columns * 0.3) / SIDE
    radius = np.hypot(rows - 31.5, columns - 31.5) / 45
    vignette = 1.04 - 0.3 * np.clip(radius - 0.45, 0, 1)
    soft = np.where(mask[..., None] > 0.5, pixels * shading[..., None], _box_blur(_box_blur(pixels)))
    return np.asarray(soft * vignette[..., None], np.float32)


def _sketch(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    light = _luminance(pixels)
    across = np.abs(np.diff(light, axis=1, append=light[:, -1:])) + np.abs(
        np.diff(light, axis=0, append=light[-1:])
    )
    outline = np.abs(np.diff(mask, axis=1, append=mask[:, -1:])) + np.abs(
        np.diff(mask, axis=0, append=mask[-1:])
    )
    lines = np.clip(_box_blur(across / 70 + outline * 1.6) * 1.5, 0, 1)
    dark = 1 - light / 255
    shade = dark * (0.34 + 0.3 * _hatching() * np.clip(dark * 1.6, 0, 1))
    paper = 246 * (1 - shade)
    chroma = pixels - light[..., None]
    tint = np.where(mask > 0.5, 0.62, 0.2).astype(np.float32)
    drawn = (paper * (1 - 0.72 * lines))[..., None] + chroma * tint[..., None]
    return np.asarray(drawn, np.float32)


def _watercolour(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    wash = _box_blur(pixels)
    wet = 1 + 0.2 * _smooth_noise(noise, 9)
    pale = 255 - (255 - wash) * (0.74 * wet)[..., None]
    ragged = _edge_distance() + 2.2 * _smooth_noise(noise, 14)
    inside = np.clip((ragged - 4) / 2, 0, 1)[..., None]
    return np.asarray(252 + (pale - 252) * inside, np.float32)


def _pixel_art(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    def blocks(size: int) -> FloatArray:
        side = SIDE // size
        means = pixels.reshape(side, size, side, size, 3).mean(axis=(1, 3))
        return np.asarray(means.repeat(size, axis=0).repeat(size, axis=1), np.float32)

    coarse_mask = mask.reshape(32, 2, 32, 2).mean(axis=(1, 3)).repeat(2, axis=0).repeat(2, axis=1)
    mosaic = np.where(coarse_mask[..., None] > 0.5, blocks(2), blocks(4))
    return np.asarray(np.round(mosaic / 42) * 42, np.float32)


def _pop_art(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    light = _luminance(pixels)[..., None]
    vivid = np.clip(light + (pixels - light) * 1.7, 0, 255)
    flat = np.round(vivid / 64) * 64
    dots = 1 - 0.42 * _halftone() * (1 - mask)
    grown = _box_blur(_box_blur(_box_blur(mask)))
    outline = np.clip((grown > 0.1) & (mask < 0.5), 0, 1).astype(np.float32)[..., None]
    return np.asarray(flat * dots[..., None] * (1 - outline) + 12 * outline, np.float32)


def _oil_painting(pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    strokes = noise.normal(0, 1, (SIDE + 8, SIDE + 8)).astype(np.float32)
    shifted = (strokes[shift : shift + SIDE, shift : shift + SIDE] for shift in range(8))
    smeared = sum(shifted, np.zeros((SIDE, SIDE), np.float32)) / np.float32(2.83)
    paint = pixels * (1 + 0.2 * smeared[..., None] * np.where(mask > 0.5, 0.6, 1.0)[..., None])
    varnish = np.array([1.0, 0.92, 0.74], np.float32)
    aged = (paint - 128) * 1.12 * varnish + 122 * varnish
    distance = _edge_distance()[..., None]
    framed = np.where(distance < 4, np.array([92, 56, 22], np.float32), aged)
    return np.asarray(
        np.where((distance >= 2) & (distance < 3), np.array([214, 170, 70], np.float32), framed), np.float32
    )


STYLES: Mapping[str, Callable[[FloatArray, FloatArray, np.random.Generator], FloatArray]] = {
    "photo": _photo,
    "sketch": _sketch,
    "watercolour": _watercolour,
    "pixel art": _pixel_art,
    "pop art": _pop_art,
    "oil painting": _oil_painting,
}


def apply_style(style: str, pixels: FloatArray, mask: FloatArray, noise: np.random.Generator) -> FloatArray:
    """Render plain pixels (SIDE, SIDE, 3) in [0, 255] in a style; `mask` (SIDE, SIDE) in [0, 1]."""
    return STYLES[style](pixels, mask, noise)
