"""Checks and removes what a hub's files left on this machine, without a network."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pasta_core.files import storing, try_lock
from pasta_core.hub.cache import (
    commit_of,
    is_commit,
    is_explicit,
    missing_files,
    present_files,
    repository,
    wanted,
)
from pasta_core.hub.manifest import MANIFESTS, is_checksum, read_listing, read_manifest
from pasta_core.hub.pull import PARTIAL, checksum_of
from pasta_core.settings import HubSource

__all__ = ["FileCheck", "partial_bytes", "remove", "verify"]

LISTING = "the list of its files"
"""Stands for a file's name where nothing says what files there should be."""


@dataclass(frozen=True)
class FileCheck:
    """What became of one file; `problem` is empty if its bytes are those that its hub named."""

    name: str
    size: int
    problem: str = ""


def verify(source: HubSource, folder: Path) -> Iterator[FileCheck]:
    """Read every file of a source's snapshot and compare it with its checksum.

    The checksums are those that the hub named when it was asked, else the names of the blobs.
    """
    manifest = read_manifest(folder)
    if manifest is None and not is_explicit(source):
        yield FileCheck(LISTING, 0, "is missing")
    missing = missing_files(source, folder)
    for name in missing:
        yield FileCheck(name, 0, "is missing")
    known = {file.name: file.checksum for file in manifest or ()}
    for name in present_files(source, folder):
        if name not in missing:
            yield _checked(folder / name, name, known.get(name))


def _checked(file: Path, name: str, checksum: str | None) -> FileCheck:
    """Read one file; one that no manifest names has its blob's name as its checksum."""
    blob = file.resolve()
    if checksum is None and blob.parent.name == "blobs" and is_checksum(blob.name):
        checksum = blob.name
    if not blob.is_file():
        return FileCheck(name, 0, "is missing")
    size = blob.stat().st_size
    if checksum is None:
        return FileCheck(name, size, "has no checksum here")
    try:
        with blob.open("rb") as stream:
            same = checksum_of(stream, size, checksum) == checksum
    except OSError as error:
        return FileCheck(name, size, f"cannot be read ({error.strerror})")
    return FileCheck(name, size, "" if same else "is damaged")


def partial_bytes(source: HubSource, root: Path) -> int:
    """Bytes of files of the source that have not arrived whole."""
    return sum(part.stat().st_size for part in _partials(source, root))


def _partials(source: HubSource, root: Path) -> set[Path]:
    """The half files of a source; of one that no manifest knows nobody can tell whose it is, so it counts."""
    folder = repository(root, source.repo)
    found = set((folder / "blobs").glob(f"*{PARTIAL}"))
    listings = [read_listing(file) or () for file in (folder / MANIFESTS).glob("*.json")]
    files = [file for listing in listings for file in listing]
    ours = {file.checksum for file in files if wanted(source, file.name)}
    others = {file.checksum for file in files} - ours
    return {part for part in found if part.name.removesuffix(PARTIAL) not in others}


def remove(source: HubSource, root: Path, kept: Collection[HubSource] = ()) -> int:
    """Remove a source's files from a cache, except those that a source in `kept` has too.

    Returns the freed bytes. A blob goes with the last file that points at it; a half file stays while it is
    being fetched. Raises `StorageError`.
    """
    folder = repository(root, source.repo)
    commit = commit_of(root, source)
    blobs = []
    freed = 0
    beside = [one for one in kept if one.repo == source.repo]
    with storing(folder):
        halves = _partials(source, root).difference(*(_partials(one, root) for one in beside))
        freed += sum(map(_remove_half, halves))
        if commit is not None:
            snapshot = folder / "snapshots" / commit
            others = [one for one in beside if commit_of(root, one) == commit]
            shared = {name for one in others for name in present_files(one, snapshot)}
            for name in [name for name in present_files(source, snapshot) if name not in shared]:
                file = snapshot / name
                if file.is_symlink():
                    blobs.append(file.resolve())
                else:
                    freed += file.stat().st_size
                file.unlink()
        pointed = {file.resolve() for file in (folder / "snapshots").rglob("*") if file.is_symlink()}
        for blob in blobs:
            if blob not in pointed and blob.is_file():
                freed += blob.stat().st_size
                blob.unlink()
        _prune(folder)
    return freed


def _remove_half(part: Path) -> int:
    """Remove a half file unless a pull is writing it; returns the freed bytes."""
    with part.open("rb") as stream:
        if not try_lock(stream):
            return 0
        size = part.stat().st_size
        part.unlink()
        return size


def _prune(folder: Path) -> None:
    """Remove empty folders, names and lists of commits that are gone, and a repository without files."""
    _prune_empty(folder)
    for ref in [path for path in (folder / "refs").rglob("*") if path.is_file()]:
        commit = ref.read_text(encoding="utf-8", errors="replace").strip()
        if not (is_commit(commit) and (folder / "snapshots" / commit).is_dir()):
            ref.unlink()
    if not (folder / "blobs").is_dir():
        # half files are told apart by these lists
        for manifest in (folder / MANIFESTS).glob("*.json"):
            if not (folder / "snapshots" / manifest.stem).is_dir():
                manifest.unlink()
    _prune_empty(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _prune_empty(folder: Path) -> None:
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()
