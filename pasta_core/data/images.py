"""References to the images of a data set: where the bytes lie, opened when they are needed."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np

from pasta_core.domain import Embedding, Pixels
from pasta_core.errors import PastaError
from pasta_core.text import clean

__all__ = [
    "AbsentImage",
    "EncodedImage",
    "FileImage",
    "ImageReference",
    "MemberImage",
    "PixelImage",
    "UnreadableImage",
    "decode_image",
    "said",
]

FORMATS = ("PNG", "JPEG", "WEBP")
"""What publishers ship, whatever the file's name says; other decoders stay closed to foreign data."""

MAX_PIXELS = 64 * 1024 * 1024
"""A larger picture is a mistake or an attack, and is unreadable."""

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error, zlib.error)


class UnreadableImage(PastaError):
    """An image that is missing, cut short, or none at all; whoever opened it counts it and goes on."""


def said(error: BaseException) -> str:
    """What a library's error says, in one line that is safe to show."""
    lines = str(error).strip().splitlines()
    return clean(lines[0]).text[:200] if lines else type(error).__name__


def decode_image(data: bytes, name: str = "the image") -> Pixels:
    """Decode PNG, JPEG or WebP bytes to RGB pixels (height, width, 3); else `UnreadableImage`."""
    from PIL import Image as Pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImage(f"{name} has {image.width}x{image.height} pixels")
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (*_UNREADABLE, Pillow.DecompressionBombError) as error:
        raise UnreadableImage(f"{name} is no image that can be read ({said(error)})") from error


@dataclass(frozen=True)
class ImageReference:
    """An image of a data set: `name` is unique within its source and costs nothing to know.

    `known_sha256` is the content hash where the data set states it; `locality` orders references as their
    bytes lie on the disk: open many in that order.
    """

    name: str
    known_sha256: str | None = field(default=None, kw_only=True)
    embedding: Embedding | None = field(default=None, kw_only=True, repr=False, compare=False)
    """CLIP's image output before normalisation (d,), where the data set carries it."""

    @property
    def locality(self) -> tuple[str, int]:
        """Which file the bytes lie in, and where in it."""
        return self.name, 0

    def encoded(self) -> bytes:
        """The bytes as they are stored; raises `UnreadableImage`."""
        raise UnreadableImage(f"{self.name} has no bytes of its own")

    def open(self) -> Pixels:
        """Read and decode: RGB pixels (height, width, 3); raises `UnreadableImage`."""
        return decode_image(self.encoded(), self.name)

    @property
    def state(self) -> str | None:
        """What changes when the bytes do, where they are at hand; None where their file tells it."""
        return None

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the RGB bytes, the image's identity everywhere; decodes where it is not known."""
        if self.known_sha256 is not None:
            return self.known_sha256
        return hashlib.sha256(np.ascontiguousarray(self.open()).tobytes()).hexdigest()


@dataclass(frozen=True)
class FileImage(ImageReference):
    """An image in a file of its own."""

    path: Path

    @property
    def locality(self) -> tuple[str, int]:
        return str(self.path), 0

    def encoded(self) -> bytes:
        try:
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            raise UnreadableImage(f"{self.name} cannot be read ({said(error)})") from error


@dataclass(frozen=True)
class EncodedImage(ImageReference):
    """An image whose encoded bytes are at hand."""

    data: bytes = field(repr=False)

    @property
    def state(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def encoded(self) -> bytes:
        return self.data


@dataclass(frozen=True)
class MemberImage(ImageReference):
    """An image inside another file: a member of an archive, a cell of a Parquet row.

    `read` fetches the bytes (None where there are none), `container` and `position` say where they lie.
    """

    container: str
    position: int
    read: Callable[[], bytes | None] = field(repr=False, compare=False)

    @property
    def locality(self) -> tuple[str, int]:
        return self.container, self.position

    def encoded(self) -> bytes:
        data = self.read()
        if data is None:
            raise UnreadableImage(f"{self.name} has no bytes in {self.container}")
        return data


@dataclass(frozen=True, eq=False)
class PixelImage(ImageReference):
    """An image whose RGB pixels (height, width, 3) are at hand."""

    pixels: Pixels = field(repr=False)

    @property
    def state(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()

    def open(self) -> Pixels:
        return self.pixels


@dataclass(frozen=True)
class AbsentImage(ImageReference):
    """An image that the data set only names, such as Pick-a-Pic's editions without images."""

    def encoded(self) -> bytes:
        raise UnreadableImage(f"{self.name} is not part of the data set")
