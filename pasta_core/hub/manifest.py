"""What a hub says a commit holds, kept beside its snapshot: so half a pull is told from a whole one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pasta_core.files import make_directory, write_atomically

__all__ = [
    "MANIFESTS",
    "RemoteFile",
    "is_checksum",
    "is_safe",
    "read_listing",
    "read_manifest",
    "write_manifest",
]

MANIFESTS = "pasta"
"""The folder of a repository that holds one manifest for each commit; other programs pass it by."""
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository."""

    name: str
    size: int
    """In bytes."""
    checksum: str
    """Its SHA-256 (64 digits), or git's SHA-1 of it (40) for a small file."""


def is_checksum(text: str) -> bool:
    """Whether text is a checksum of one of the two kinds."""
    return _HEX.fullmatch(text) is not None


def is_safe(file: RemoteFile) -> bool:
    """Whether a file's name and checksum can become paths below its repository."""
    path = PurePosixPath(file.name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and is_checksum(file.checksum)


def _path(snapshot: Path) -> Path:
    """Where the manifest of a snapshot lies."""
    return snapshot.parents[1] / MANIFESTS / f"{snapshot.name}.json"


def read_manifest(snapshot: Path) -> tuple[RemoteFile, ...] | None:
    """All files of a snapshot's commit; None where no manifest was written, or it cannot be read."""
    return read_listing(_path(snapshot))


def read_listing(manifest: Path) -> tuple[RemoteFile, ...] | None:
    """The files that one manifest names."""
    try:
        table = json.loads(manifest.read_text(encoding="utf-8"))
        files = tuple(RemoteFile(str(name), int(size), str(sum_)) for name, size, sum_ in table["files"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return files if all(map(is_safe, files)) else None


def write_manifest(snapshot: Path, files: Sequence[RemoteFile]) -> None:
    """Keep all files of a snapshot's commit, unless they are kept already. Raises `StorageError`."""
    if read_manifest(snapshot) == tuple(files):
        return
    path = _path(snapshot)
    make_directory(path.parent)
    rows = [[file.name, file.size, file.checksum] for file in files]
    write_atomically(path, json.dumps({"files": rows}, indent=0).encode())
