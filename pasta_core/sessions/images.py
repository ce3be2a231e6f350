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

__all__ = ["image_file", "png_bytes", "read_image", "read_png", "write_image"]

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


def image_file(turn: int, column: int, index: int) -> str:
    """An image's file inside its session's directory; columns and images count from 1, as keys do."""
    return f"turn-{turn}/column-{column + 1}-image-{index + 1}.png"


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
