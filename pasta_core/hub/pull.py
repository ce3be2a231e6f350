"""Fetches files of a hub: free disk first, resumed where a pull ended, checked before it appears."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pasta_core.domain import Progress
from pasta_core.errors import ModelUnavailable, StorageError
from pasta_core.files import make_directory, try_lock, write_atomically
from pasta_core.hub.cache import commit_of, is_commit, repository
from pasta_core.hub.manifest import RemoteFile, read_manifest, write_manifest
from pasta_core.hub.remote import Remote, refusals

__all__ = ["PARTIAL", "Pull", "checksum_of", "free_bytes", "pull"]

PARTIAL = ".pasta.incomplete"
"""How the name of a file ends that has not arrived whole."""
CHUNK = 2**20
RESERVE = 64 * 2**20
"""Bytes of the disk that a pull leaves free."""
TRIES = 5
"""How often a connection that breaks is made again without a new byte."""


@dataclass(frozen=True)
class Pull:
    """One source to fetch into the cache below `root`."""

    remote: Remote
    root: Path

    @property
    def folder(self) -> Path:
        return repository(self.root, self.remote.source.repo)

    @property
    def snapshot(self) -> Path:
        """Where the files appear."""
        return self.folder / "snapshots" / self.remote.commit

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.remote.files)

    def missing(self) -> list[RemoteFile]:
        """The files that are not there yet."""
        return [file for file in self.remote.files if not self._is_there(file)]

    def is_whole(self) -> bool:
        """Whether all of it is there under the names by which it is looked for later."""
        named = commit_of(self.root, self.remote.source) == self.remote.commit
        return named and not self.missing() and read_manifest(self.snapshot) is not None

    def arrived(self) -> int:
        """How many bytes are there already, whole files and parts."""
        missing = self.missing()
        parts = sum(min(self._part_size(file), file.size) for file in missing)
        return self.size - sum(file.size for file in missing) + parts

    def blob(self, file: RemoteFile) -> Path:
        return self.folder / "blobs" / file.checksum

    def part(self, file: RemoteFile) -> Path:
        return self.folder / "blobs" / f"{file.checksum}{PARTIAL}"

    def _is_there(self, file: RemoteFile) -> bool:
        try:
            return (self.snapshot / file.name).stat().st_size == file.size
        except OSError:
            return False

    def _part_size(self, file: RemoteFile) -> int:
        whole = self.blob(file)
        try:
            return whole.stat().st_size if whole.is_file() else self.part(file).stat().st_size
        except OSError:
            return 0


def free_bytes(root: Path) -> int:
    """Free space of the disk that `root` lies on or will lie on."""
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    return shutil.disk_usage(there).free


def pull(pulls: Sequence[Pull], progress: Progress, sleep: Callable[[float], None] = time.sleep) -> None:
    """Fetch what is missing, one file after another; `progress` counts bytes of all of them.

    A file appears whole and checked, or not at all; of one that was stopped half-way the arrived part waits
    for the next pull. Raises `ModelUnavailable`.
    """
    total = sum(one.size for one in pulls)
    needed = total - sum(one.arrived() for one in pulls)
    if needed and (free := free_bytes(pulls[0].root)) < needed + RESERVE:
        raise ModelUnavailable(
            f"{needed / 1e9:.1f} GB are missing and the disk of {pulls[0].root} has {free / 1e9:.1f} GB free",
            "free some space, or choose another disk with --to",
        )
    meter = _Meter(sum(one.arrived() for one in pulls), total, progress)
    for one in pulls:
        with _storing(one.snapshot):
            # first, so that a pull which is stopped leaves word of what it lacks
            write_manifest(one.snapshot, one.remote.listing)
        for file in one.missing():
            with _storing(one.part(file)):
                _fetch(one, file, meter, sleep)
        _name_revision(one)


class _Meter:
    """Counts arrived bytes."""

    def __init__(self, done: int, total: int, progress: Progress) -> None:
        self._done = done
        self._total = total
        self._progress = progress
        progress(done, total)

    def advance(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)


def checksum_of(file: BinaryIO, size: int, like: str) -> str:
    """The checksum of the next `size` bytes of a file, of the kind that `like` is."""
    digest = _digest(size, like)
    while chunk := file.read(min(CHUNK, size)):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def _digest(size: int, like: str) -> hashlib._Hash:
    """SHA-256 as large files are named by, or git's SHA-1, which begins with the length."""
    return (
        hashlib.sha256()
        if len(like) == 64
        else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    )


def _fetch(one: Pull, file: RemoteFile, meter: _Meter, sleep: Callable[[float], None]) -> None:
    blob, part = one.blob(file), one.part(file)
    make_directory(blob.parent)
    if not (blob.is_file() and blob.stat().st_size == file.size):
        with part.open("a+b") as stream:
            _claim(stream, one)
            _stream(one, file, stream, meter, sleep)
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            if checksum_of(stream, file.size, file.checksum) != file.checksum:
                part.unlink()
                meter.advance(-file.size)
                raise ModelUnavailable(
                    f"{file.name} of {one.remote.source} arrived damaged and was thrown away", "pull it again"
                )
            part.replace(blob)
    _point(one.snapshot / file.name, blob)


def _claim(stream: BinaryIO, one: Pull) -> None:
    """Refuse to write where another pull writes."""
    if not try_lock(stream):
        raise ModelUnavailable(f"another pull is fetching {one.remote.source.repo}", "wait for it to end")


def _stream(
    one: Pull, file: RemoteFile, stream: BinaryIO, meter: _Meter, sleep: Callable[[float], None]
) -> None:
    """Append what is missing of a file, making broken connections again."""
    failures = longest = 0
    while (have := stream.seek(0, os.SEEK_END)) != file.size:
        if have > file.size:
            _empty(stream)
            meter.advance(-file.size)
            continue
        longest = max(longest, have)
        try:
            with refusals(one.remote.source, one.remote.endpoint):
                for chunk in _chunks(one, file, have, stream, meter):
                    if (arrived := stream.tell()) + len(chunk) > file.size:
                        _empty(stream)
                        meter.advance(-arrived)
                        raise ModelUnavailable(
                            f"{file.name} of {one.remote.source} is larger than its hub says",
                            "try again later",
                        )
                    stream.write(chunk)
                    meter.advance(len(chunk))
                    if stream.tell() > longest:
                        # A hub without ranges begins again and again, and may break before it gets further.
                        longest, failures = stream.tell(), 0
        except ModelUnavailable as error:
            failures += 1
            if failures >= TRIES or not error.retryable:
                raise
            sleep(2.0 ** (failures - 1))
        else:
            if stream.tell() < file.size:
                failures += 1
                if failures >= TRIES:
                    raise ModelUnavailable(f"nothing more arrives of {file.name}", "try again later")


def _empty(stream: BinaryIO) -> None:
    """Begin a file again; its position counts what has arrived."""
    stream.seek(0)
    stream.truncate()


def _chunks(one: Pull, file: RemoteFile, have: int, stream: BinaryIO, meter: _Meter) -> Iterator[bytes]:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    # Compressed, a range would count other bytes than the file has.
    headers = {**build_hf_headers(library_name="pasta"), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with get_session().stream(
        "GET", one.remote.url(file), headers=headers, follow_redirects=True, timeout=30
    ) as response:
        hf_raise_for_status(response)
        if have and response.status_code != 206:
            _empty(stream)
            meter.advance(-have)
        yield from response.iter_bytes()


def _point(pointer: Path, blob: Path) -> None:
    """Let a file of the snapshot be the blob; where a disk knows no links it becomes it."""
    make_directory(pointer.parent)
    temporary = pointer.with_name(f".{pointer.name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        blob.replace(pointer)
    else:
        temporary.replace(pointer)


def _name_revision(one: Pull) -> None:
    """Say what commit the branch is, once all of it is there."""
    if not is_commit(one.remote.source.revision):
        ref = one.folder / "refs" / one.remote.source.revision
        make_directory(ref.parent)
        write_atomically(ref, one.remote.commit.encode())


@contextmanager
def _storing(part: Path) -> Iterator[None]:
    """Name what the disk refuses; of a full one the half-written file is removed."""
    try:
        yield
    except StorageError as error:
        raise ModelUnavailable(error.message, error.hint) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ModelUnavailable(
                f"{part.parent} cannot be written: {error.strerror or error}",
                "choose another place with --to",
            ) from error
        with suppress(OSError):
            part.unlink()
        raise ModelUnavailable(
            f"the disk of {part.parent} is full; the file that was arriving was removed",
            "free some space, or choose another disk with --to: finished files are kept",
        ) from error
