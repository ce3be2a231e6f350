"""Where a data set's images lie: folders, tar and zip archives, read in place and never extracted."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

from pasta_core.data.images import FileImage, ImageReference, MemberImage, UnreadableImage, said
from pasta_core.data.records import Tally
from pasta_core.errors import InvalidInput

__all__ = [
    "DAMAGED",
    "FolderImages",
    "ImagePlace",
    "TarImages",
    "ZipImages",
    "archives_in",
    "find_image",
    "open_archive",
]

LARGEST_MEMBER = 256 * 1024 * 1024
"""A larger member is no image, and is not read as one."""

BLOCK = 512
"""The unit of a tar archive, in bytes."""

DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What reading a damaged archive raises, or one that is packed or encrypted in a way that is not known."""


class ImagePlace(Protocol):
    """Somewhere that images can be looked up by the name a data set gives them."""

    def find(self, name: str) -> ImageReference | None:
        """The image of exactly this name, else None; a name never leads outside the place."""
        ...

    def alike(self, base: str) -> Sequence[str]:
        """The names of the files called `base` in any folder, where the place knows them."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all files, as they are stored."""
        ...


def find_image(places: Sequence[ImagePlace], name: str) -> ImageReference | None:
    """The image of this name in the first place that has it; else the only one that it can mean.

    Archives often wrap their files in one more folder or in one less: a path that ends as the name does, or
    the other way round, is meant before one that only has the same last part. None where two could be meant.
    """
    for place in places:
        if (image := place.find(name)) is not None:
            return image
    found = [(place, member) for place in places for member in place.alike(PurePosixPath(name).name)]
    inner = [(place, member) for place, member in found if member.endswith(f"/{name}")]
    outer = [(place, member) for place, member in found if f"/{name}".endswith(f"/{member}")]
    longest = max((len(member) for _, member in outer), default=0)
    for meant in (inner, [one for one in outer if len(one[1]) == longest], found):
        if len(meant) == 1:
            place, member = meant[0]
            image = place.find(member)
            return None if image is None else replace(image, name=name)
        if meant:
            return None
    return None


@dataclass(frozen=True)
class FolderImages:
    """A folder of image files."""

    root: Path

    def find(self, name: str) -> ImageReference | None:
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\0" in name or not name:
            return None
        path = self.root / relative
        try:
            return FileImage(name, path) if path.is_file() else None
        except OSError:  # such as a name that is too long
            return None

    def alike(self, base: str) -> Sequence[str]:
        return ()

    def names(self) -> Iterator[str]:
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root).as_posix()


class TarImages:
    """The regular files of a tar archive, plain or compressed.

    A compressed archive can only be read forwards, so images out of order are slow to reach.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cut_short = False
        self.compressed = _is_gzip(path)
        self._lock = threading.Lock()

    def find(self, name: str) -> ImageReference | None:
        place = self._members.get(name)
        if place is None:
            return None
        offset, size = place
        return MemberImage(name, str(self.path), offset, partial(self._read, offset, size))

    def alike(self, base: str) -> Sequence[str]:
        return self._by_base.get(base, ())

    def open(self, name: str) -> IO[bytes]:
        """A member as a stream; raises one of `DAMAGED`."""
        offset, size = self._members[name]
        opened = gzip.open if self.compressed else open
        stream = cast(IO[bytes], opened(self.path, "rb"))
        try:
            stream.seek(offset)
        except DAMAGED:
            stream.close()
            raise
        return io.BufferedReader(_Part(stream, offset, size))

    def names(self) -> Iterator[str]:
        return iter(self._members)

    @property
    def cut_short(self) -> bool:
        """Whether the archive ends before its end: what lies before it can be read."""
        return bool(self._members) and self._cut_short

    @cached_property
    def _members(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(self.path, "r:gz" if self.compressed else "r:") as archive:
                end = 0
                try:
                    for member in archive:
                        if member.isreg() and not member.issparse():
                            found[member.name.removeprefix("./")] = member.offset_data, member.size
                        end = archive.offset
                        # Hundreds of thousands of them would be kept otherwise.
                        archive.members.clear()  # type: ignore[attr-defined]
                    # A header that is cut ends the iteration as the block of zeros does that should be there.
                    stream = cast(IO[bytes], archive.fileobj)
                    stream.seek(end)
                    self._cut_short = stream.read(BLOCK) != bytes(BLOCK)
                except DAMAGED:
                    self._cut_short = True
        except DAMAGED as error:
            raise InvalidInput(f"{self.path} is no tar archive that can be read ({said(error)})") from error
        return found

    @cached_property
    def _by_base(self) -> dict[str, list[str]]:
        return _by_base(self._members)

    @cached_property
    def _unpacked(self) -> gzip.GzipFile:
        return gzip.open(self.path)

    def _read(self, offset: int, size: int) -> bytes:
        if size > LARGEST_MEMBER:
            raise UnreadableImage(f"a member of {self.path} is too large for an image: {size:,} bytes")
        try:
            if self.compressed:
                with self._lock:
                    self._unpacked.seek(offset)
                    data = self._unpacked.read(size)
            else:
                with self.path.open("rb") as file:
                    file.seek(offset)
                    data = file.read(size)
        except DAMAGED as error:
            raise UnreadableImage(f"a member of {self.path} cannot be read ({said(error)})") from error
        if len(data) < size:
            raise UnreadableImage(f"a member of {self.path} is cut short")
        return data


class ZipImages:
    """The files of a zip archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(path)
            infos = self._archive.infolist()
        except DAMAGED as error:
            raise InvalidInput(f"{path} is no zip archive that can be read ({said(error)})") from error
        self._members = {info.filename: info for info in infos if not info.is_dir()}

    def find(self, name: str) -> ImageReference | None:
        info = self._members.get(name)
        if info is None:
            return None
        return MemberImage(name, str(self.path), info.header_offset, partial(self.read, info.filename))

    def alike(self, base: str) -> Sequence[str]:
        return self._by_base.get(base, ())

    def names(self) -> Iterator[str]:
        return iter(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of an image; raises `UnreadableImage`."""
        size = self._members[name].file_size if name in self._members else 0
        if size > LARGEST_MEMBER:
            raise UnreadableImage(f"{name} in {self.path} is too large for an image: {size:,} bytes")
        try:
            with self._lock:
                return self._archive.read(name)
        except (*DAMAGED, KeyError) as error:
            raise UnreadableImage(f"{name} in {self.path} cannot be read ({said(error)})") from error

    def open(self, name: str) -> IO[bytes]:
        """A member as a stream; what is wrong with it shows when it is read, as one of `DAMAGED`."""
        return self._archive.open(name)

    @cached_property
    def _by_base(self) -> dict[str, list[str]]:
        return _by_base(self._members)


class _Part(io.RawIOBase):
    """`size` bytes of a stream, from `start`, as a stream of their own."""

    def __init__(self, stream: IO[bytes], start: int, size: int) -> None:
        self._stream = stream
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = base + offset
        self._stream.seek(self._start + self._place)
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._place)
        data = self._stream.read(wanted) if wanted > 0 else b""
        if wanted > 0 and not data:
            raise EOFError("it is cut short")
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _by_base(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by their last part."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(PurePosixPath(name).name, []).append(name)
    return found


def open_archive(path: Path) -> TarImages | ZipImages:
    """Open an archive by what it is, not by its name; anything else is `InvalidInput`."""
    try:
        if zipfile.is_zipfile(path):
            return ZipImages(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    return TarImages(path)


def archives_in(folder: Path, tally: Tally, stems: Sequence[str] = ()) -> list[TarImages | ZipImages]:
    """The archives of a folder in the order of their names, of the given stems where any are given."""
    suffixes = (".tar", ".tar.gz", ".tgz", ".zip")
    found = []
    for path in sorted(folder.iterdir()):
        stem = next((path.name.removesuffix(end) for end in suffixes if path.name.endswith(end)), None)
        if stem is None or not path.is_file() or (stems and stem not in stems):
            continue
        archive = open_archive(path)
        found.append(archive)
        if isinstance(archive, TarImages) and archive.compressed:
            tally.note(f"{path.name} is only read forwards: gunzip it once for speed")
        if isinstance(archive, TarImages) and archive.cut_short:
            tally.note(f"{path.name} is cut short")
    return found


def _is_gzip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
