"""Pictures as files: always PNG, whatever the publisher's layout calls them, so that no pixel changes."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

from PIL import Image as Pillow

from pasta_core.domain import Pixels

__all__ = ["png", "write_tar", "write_zip"]

_DATE = (2020, 1, 1, 0, 0, 0)
"""Archives of the same pictures have the same bytes, whenever they were written."""


def png(pixels: Pixels) -> bytes:
    """Encode RGB pixels (height, width, 3)."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def write_tar(file: BinaryIO, members: Iterable[tuple[str, Pixels]]) -> None:
    """Write a plain tar archive of named pictures."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for name, pixels in members:
            data = png(pixels)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_zip(file: BinaryIO, members: Iterable[tuple[str, Pixels]]) -> None:
    """Write a zip archive of named pictures, which are compressed already."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, pixels in members:
            archive.writestr(zipfile.ZipInfo(name, _DATE), png(pixels))
