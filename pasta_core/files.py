"""Files that appear whole or not at all, and the operating system's refusals in words a person can act on."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from pasta_core.errors import ModelUnavailable, StorageError

__all__ = [
    "alone",
    "appearing",
    "appearing_folder",
    "make_directory",
    "reading_model",
    "replacing",
    "storage_error",
    "storing",
    "sweep",
    "try_lock",
    "write_atomically",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def storage_error(error: OSError, path: Path) -> StorageError:
    """What an operating system error on `path` means, and what to do about it."""
    if error.errno in _FULL:
        return StorageError(f"no space left to write {path}", "free some space: what was shown is kept")
    if error.errno in _FORBIDDEN:
        return StorageError(f"{path} cannot be written", "make it writable, or choose another directory")
    return StorageError(f"{path}: {error.strerror or error}", "check the disk and the path")


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the operating system errors of a block that works on `path` into `StorageError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


@contextmanager
def reading_model(path: Path) -> Iterator[None]:
    """Turn the operating system errors of a block that reads the model in `path` into `ModelUnavailable`."""
    try:
        yield
    except OSError as error:
        raise ModelUnavailable(
            f"the model {error.filename or path} cannot be read ({error.strerror or error})",
            "make it readable, or correct its path in the profile",
        ) from error


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing; it appears at `path`, durable, when the block ends, and never if it fails.

    Its directory must exist. Raises `StorageError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with storing(path):
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path for a library to write to; as `appearing`, for files that take no open file.

    Its directory must exist. Raises `StorageError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with storing(path):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it appears at `path`, durable, when the block ends, and never if it fails.

    `path` must not be there, or be an empty folder; missing parents are made. What a killed process left half
    filled is removed. Raises `StorageError`.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.tmp")
    make_directory(path.parent)
    try:
        with storing(path):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.mkdir()
            yield temporary
            for part in (temporary, *temporary.rglob("*")):
                _sync(part)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file, durably, so that nobody ever sees half of it. Raises `StorageError`."""
    with appearing(path) as file:
        file.write(data)


def make_directory(path: Path) -> None:
    """Make a directory and its missing parents, each durable in its parent. Raises `StorageError`."""
    with storing(path):
        missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            _sync(folder.parent)


def try_lock(file: IO[bytes]) -> bool:
    """Take an open file's lock; False where another process has it.

    The operating system lets go of it when the file is closed, however this process ends.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(path: Path, refusal: StorageError) -> Iterator[None]:
    """Hold the lock file `path`, made if need be; raises `refusal` where another process holds it."""
    with storing(path):
        lock = path.open("ab")
    with lock:
        with storing(path):
            taken = try_lock(lock)
        if not taken:
            raise refusal
        yield


def sweep(directory: Path) -> None:
    """Remove what killed processes left half written below a directory that only this one writes to."""
    for temporary in directory.rglob(".*.tmp"):
        with suppress(OSError):
            temporary.unlink()


def _sync(path: Path) -> None:
    """Make a file, or what a directory holds, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
