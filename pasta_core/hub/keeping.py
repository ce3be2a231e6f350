"""Checks and removes what a hub's files left on this machine, without a network."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pasta_core.files import storing
from pasta_core.hub.cache import commit_of, missing_files, present_files, repository
from pasta_core.hub.pull import PARTIAL, checksum_of
from pasta_core.settings import HubSource

__all__ = ["FileCheck", "partial_bytes", "remove", "verify"]

_CHECKSUM_LENGTHS = (40, 64)


@dataclass(frozen=True)
class FileCheck:
    """What became of one file; `problem` is empty if its bytes are those that its hub named."""

    name: str
    size: int
    problem: str = ""


def verify(source: HubSource, folder: Path) -> Iterator[FileCheck]:
    """Read every file of a source's snapshot and compare it with its checksum, which is its blob's name."""
    for name in missing_files(source, folder):
        yield FileCheck(name, 0, "is missing")
    for name in present_files(source, folder):
        blob = (folder / name).resolve()
        if not blob.is_file():
            yield FileCheck(name, 0, "is missing")
            continue
        size = blob.stat().st_size
        if len(blob.name) not in _CHECKSUM_LENGTHS or blob.parent.name != "blobs":
            yield FileCheck(name, size, "has no checksum here")
            continue
        with blob.open("rb") as stream:
            same = checksum_of(stream, size, blob.name) == blob.name
        yield FileCheck(name, size, "" if same else "is damaged")


def partial_bytes(source: HubSource, root: Path) -> int:
    """Bytes of files of the source's repository that have not arrived whole."""
    blobs = repository(root, source.repo) / "blobs"
    return sum(part.stat().st_size for part in blobs.glob(f"*{PARTIAL}"))


def remove(source: HubSource, root: Path, kept: Collection[HubSource] = ()) -> int:
    """Remove a source's files from a cache, except those that a source in `kept` has too.

    Returns the freed bytes. A blob goes with the last file that points at it. Raises `StorageError`.
    """
    folder = repository(root, source.repo)
    commit = commit_of(root, source)
    blobs = [*(folder / "blobs").glob(f"*{PARTIAL}")]
    with storing(folder):
        if commit is not None:
            snapshot = folder / "snapshots" / commit
            others = [one for one in kept if one.repo == source.repo and commit_of(root, one) == commit]
            shared = {name for one in others for name in present_files(one, snapshot)}
            for name in [name for name in present_files(source, snapshot) if name not in shared]:
                blobs.append((snapshot / name).resolve())
                (snapshot / name).unlink()
        pointed = {file.resolve() for file in (folder / "snapshots").rglob("*") if file.is_symlink()}
        freed = 0
        for blob in blobs:
            if blob not in pointed and blob.is_file():
                freed += blob.stat().st_size
                blob.unlink()
        _prune(folder)
    return freed


def _prune(folder: Path) -> None:
    """Remove empty folders, names of commits that are gone, and the repository if nothing is left."""
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()
    for ref in [path for path in (folder / "refs").rglob("*") if path.is_file()]:
        if not (folder / "snapshots" / ref.read_text(encoding="utf-8").strip()).is_dir():
            ref.unlink()
    for inner in (folder / "refs", folder):
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
