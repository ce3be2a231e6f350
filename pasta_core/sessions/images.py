"""Image files of a session: PNG in, verified pixels out."""

from __future__ import annotations

import hashlib
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np

from pasta_core.domain import Image, Pixels
from pasta_core.files import make_directory, write_atomically
from pasta_core.sessions.records import StoredImage
from pasta_core.simulation.recorder import Spot

__all__ = ["image_file", "png_bytes", "read_image", "read_png", "write_image"]

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


def image_file(spot: Spot, swapped: bool = False) -> str:
    """An image's file inside its session's directory; all numbers but the turn's count from 1, as keys do.

    Where a candidate was `swapped` in, the file names it: the column showed another one before.
    """
    again = f"-proposal-{spot.proposal + 1}" if spot.proposal else ""
    candidate = f"-candidate-{spot.candidate + 1}" if swapped else ""
    return f"turn-{spot.turn}{again}/column-{spot.column + 1}{candidate}-image-{spot.index + 1}.png"


def png_bytes(pixels: Pixels) -> bytes:
    """Encode RGB pixels (height, width, 3)."""
    from PIL import Image as Pillow

    buffer = BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def read_png(data: bytes) -> Pixels:
    """Decode a PNG to RGB pixels (height, width, 3); `ValueError` if it is none."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(BytesIO(data), formats=["PNG"]) as png:
            return np.asarray(png.convert("RGB"), dtype=np.uint8)
    except _UNREADABLE as error:
        raise ValueError(f"not a readable PNG: {error}") from error


def write_image(path: Path, image: Image) -> None:
    """Write an image durably, replacing what was there. Raises `StorageError`."""
    make_directory(path.parent)
    write_atomically(path, png_bytes(image.pixels))


def read_image(stored: StoredImage) -> Image | None:
    """Read a stored image back; None if its file is gone, damaged or not what was painted."""
    try:
        pixels = read_png(stored.path.read_bytes())
    except (OSError, ValueError):
        return None
    if hashlib.sha256(pixels.tobytes()).hexdigest() != stored.sha256:
        return None
    return Image(stored.seed, pixels, stored.embedding)
