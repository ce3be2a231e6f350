"""What a folder, archive or file of unknown layout holds: tables of rows, images, and what is neither."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pasta_core.data.archives import (
    DAMAGED,
    FolderImages,
    ImagePlace,
    TarImages,
    ZipImages,
    open_archive,
)
from pasta_core.data.images import said
from pasta_core.data.json_stream import json_entries
from pasta_core.data.parquet import parquet_rows
from pasta_core.data.records import Tally
from pasta_core.errors import InvalidInput

__all__ = ["Contents", "Table", "look_into"]

HEAD = 4096
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_IGNORED = frozenset({"readme", "license", "field-map", "dataset-metadata", "raters", "truth"})
"""Files beside the data that nobody expects to be read as data, by their stems."""

Rows = Callable[[Tally], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class Table:
    """A file of rows: its name, its format in a word, and how to read it."""

    name: str
    format: str
    rows: Rows


@dataclass(frozen=True)
class Contents:
    """Tables, the places that images can be found in, and files that are not understood, with why."""

    tables: tuple[Table, ...]
    places: tuple[ImagePlace, ...]
    unread: tuple[tuple[str, str], ...]


def look_into(path: Path) -> Contents:
    """Sniff a file, an archive, or all files of a folder; by their content, whatever they are called."""
    tables: list[Table] = []
    unread: list[tuple[str, str]] = []
    root = path if path.is_dir() else path.parent
    places: list[ImagePlace] = [FolderImages(root)]
    if path.is_dir() and (path / "images").is_dir():
        places.append(FolderImages(path / "images"))
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if file.suffix.lower() in _IMAGE_SUFFIXES or file.stem.lower() in _IGNORED:
            continue
        name = file.relative_to(root).as_posix()
        format_ = _sniff(_file_head(file), file.name)
        if format_ == "archive":
            archive = open_archive(file)
            places.append(archive)
            _look_into_archive(archive, name, tables, unread)
        elif format_ == "parquet":
            tables.append(Table(name, format_, _parquet(file)))
        elif format_ in ("json", "csv"):
            tables.append(Table(name, format_, _text(format_, name, partial(_opened, file))))
        else:
            unread.append((name, format_))
    return Contents(tuple(tables), tuple(places), tuple(unread))


def _look_into_archive(
    archive: TarImages | ZipImages, where: str, tables: list[Table], unread: list[tuple[str, str]]
) -> None:
    for member in archive.names():
        path = PurePosixPath(member)
        if path.suffix.lower() in _IMAGE_SUFFIXES or path.stem.lower() in _IGNORED:
            continue
        name, opened = f"{where}/{member}", partial(archive.open, member)
        try:
            with opened() as stream:
                format_ = _sniff(_head(stream), path.name)
        except DAMAGED as error:
            unread.append((name, f"damaged: {said(error)}"))
            continue
        if format_ in ("json", "csv"):
            tables.append(Table(name, format_, _text(format_, name, opened)))
        elif format_ in ("parquet", "archive"):
            unread.append((name, f"{format_} inside an archive: unpack it to read it"))
        else:
            unread.append((name, format_))


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _file_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _head(file)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _head(stream: IO[bytes]) -> bytes:
    """The first bytes, of what is inside where they are compressed."""
    head = stream.read(HEAD)
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return head


def _sniff(head: bytes, name: str) -> str:
    """json, csv, parquet or archive; for anything else what it seems to be."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04") or head[257:262] == b"ustar":
        return "archive"
    for magic, what in (
        (b"SQLite format 3", "an SQLite data base"),
        (b"\x80\x02", "a pickle, which is never read"),
        (b"\x80\x03", "a pickle, which is never read"),
        (b"\x80\x04", "a pickle, which is never read"),
        (b"\x80\x05", "a pickle, which is never read"),
        (b"\x93NUMPY", "a NumPy array"),
    ):
        if head.startswith(magic):
            return what
    if "tfrecord" in name.lower():
        return "TFRecord, which needs TensorFlow: convert it to JSON lines or Parquet"
    if b"\0" in head:
        return "of an unknown format"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return "json"
    first = text.split(b"\n", 1)[0]
    return "csv" if _delimiter(first.decode("utf-8", errors="replace")) else "of an unknown format"


def _delimiter(line: str) -> str:
    """What separates the columns of a table's first line; empty if nothing does."""
    best = max(",;\t", key=line.count)
    return best if line.count(best) >= 2 else ""


def _parquet(file: Path) -> Rows:
    def rows(tally: Tally) -> Iterator[dict[str, Any]]:
        for _, row in parquet_rows(file, None, tally):
            yield row

    return rows


def _text(format_: str, name: str, opened: Callable[[], IO[bytes]]) -> Rows:
    def rows(tally: Tally) -> Iterator[dict[str, Any]]:
        try:
            with opened() as raw:
                stream = _decompressed(raw)
                yield from _json_rows(stream, name, tally) if format_ == "json" else _csv_rows(stream, tally)
        except DAMAGED as error:
            tally.skip("the file is damaged from here on")
            tally.note(f"{name}: {said(error)}")

    return rows


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    compressed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw


def _json_rows(stream: IO[bytes], name: str, tally: Tally) -> Iterator[dict[str, Any]]:
    for entry in json_entries(stream, name, tally):
        yield from _unwrapped(entry, tally)


def _unwrapped(entry: object, tally: Tally) -> Iterator[dict[str, Any]]:
    """The rows of an entry: itself, or those of a table of sessions by their id, or of its one long list."""
    if not isinstance(entry, dict):
        tally.skip("an entry is no table")
        return
    values = list(entry.values())
    if len(values) > 1 and all(isinstance(value, dict) for value in values):
        for key, value in entry.items():
            yield {"id": key, **value}
        return
    lists = [value for value in values if isinstance(value, list) and value and isinstance(value[0], dict)]
    if len(lists) == 1 and len(values) == 1:
        for value in lists[0]:
            yield from _unwrapped(value, tally)
        return
    yield entry


def _csv_rows(stream: IO[bytes], tally: Tally) -> Iterator[dict[str, Any]]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    header = text.readline()
    names = next(csv.reader([header], delimiter=_delimiter(header) or ","), [])
    reader = csv.reader(text, delimiter=_delimiter(header) or ",")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            tally.skip("a damaged CSV row")
            continue
        if len(row) == len(names):
            yield dict(zip(names, row, strict=True))
        elif row:
            tally.skip("a CSV row has too few or too many cells")
