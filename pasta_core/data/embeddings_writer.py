"""Appending to the embedding store: whole shards, one writer at a time, nothing acknowledged ever lost."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pasta_core.data.embeddings import shelf_folder
from pasta_core.data.embeddings_shards import (
    KEY_BYTES,
    Header,
    Manifest,
    map_shard,
    read_manifest,
    shard_is_whole,
    write_manifest,
    write_shard,
)
from pasta_core.errors import StorageError
from pasta_core.files import make_directory, storing, sweep, try_lock

__all__ = ["EmbeddingWriter", "writing", "writing_in"]


class EmbeddingWriter:
    """Adds rows to a shelf; what `flush` has returned from is durable.

    The files depend on the rows and their order alone, never on when they were flushed: the last, short shard
    is replaced by a longer one until it is full.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._keys: list[npt.NDArray[np.uint8]] = []
        self._vectors: list[npt.NDArray[Any]] = []
        self._pending = 0
        self._known: set[bytes] = set()
        for entry in manifest.shards:
            shard = map_shard(folder, entry, manifest.header)
            self._known.update(bytes(key) for key in shard.keys)
        if manifest.shards and manifest.shards[-1].rows < manifest.header.shard_rows:
            tail = map_shard(folder, manifest.shards[-1], manifest.header)
            self._keys.append(np.array(tail.keys))
            self._vectors.append(np.array(tail.vectors))

    @property
    def durable(self) -> int:
        """How many rows are in finished shards."""
        return self._manifest.rows

    @property
    def dimension(self) -> int:
        """d, the length of a row."""
        return self._manifest.header.dimension

    def __contains__(self, key: str) -> bool:
        """Whether a hash (hexadecimal) is there already, flushed or not."""
        return bytes.fromhex(key) in self._known

    def add(self, hashes: Sequence[str], vectors: npt.NDArray[Any]) -> None:
        """Append rows (n, d), one a hash; a hash that is there already is left as it is.

        A shard that becomes full is made durable. Raises `StorageError` for a row that is not finite in the
        stored type.
        """
        header = self._manifest.header
        if vectors.shape != (len(hashes), header.dimension):
            raise ValueError(f"{len(hashes)} hashes and vectors of shape {vectors.shape}")
        with np.errstate(over="ignore"):
            stored = vectors.astype(np.dtype(header.dtype))
        new = []
        for place, name in enumerate(hashes):
            key = bytes.fromhex(name)
            if len(key) != KEY_BYTES:
                raise ValueError("a hash is 64 hexadecimal digits")
            if key not in self._known:
                self._known.add(key)
                new.append((place, key))
        if not new:
            return
        kept = stored[[place for place, _ in new]]
        if not np.isfinite(kept).all():
            raise StorageError(
                f"an {header.kind} embedding is not finite as {header.dtype}",
                "store float32, or look at the encoder: it may be damaged",
            )
        self._keys.append(np.frombuffer(b"".join(key for _, key in new), np.uint8).reshape(-1, KEY_BYTES))
        self._vectors.append(kept)
        self._pending += len(new)
        if sum(len(part) for part in self._keys) >= header.shard_rows:
            self.flush()

    def flush(self) -> None:
        """Make every row that was added durable."""
        if not self._pending:
            return
        header, shards = self._manifest.header, list(self._manifest.shards)
        replaced = shards.pop() if shards and shards[-1].rows < header.shard_rows else None
        keys, vectors = np.concatenate(self._keys), np.concatenate(self._vectors)
        for start in range(0, len(keys), header.shard_rows):
            part = slice(start, start + header.shard_rows)
            shards.append(write_shard(self._folder, len(shards), keys[part], vectors[part]))
        self._manifest = replace(self._manifest, shards=tuple(shards))
        write_manifest(self._folder, self._manifest)
        if replaced is not None and replaced.name != shards[-1].name:
            with suppress(OSError):
                (self._folder / replaced.name).unlink()
        short = len(keys) % header.shard_rows
        self._keys = [keys[len(keys) - short :]] if short else []
        self._vectors = [vectors[len(keys) - short :]] if short else []
        self._pending = 0


@contextmanager
def writing(
    root: Path,
    header: Header,
    waiting: Callable[[], None] = lambda: None,
    dropped: Callable[[int], None] = lambda rows: None,
    verify: bool = True,
) -> Iterator[EmbeddingWriter]:
    """Write to a shelf, alone: `waiting` is called if another run writes to it, which is then waited for.

    Every shard is checked first (its size alone unless `verify`); the rows of damaged ones are dropped
    (`dropped` is called with how many) and can be added again. Leaving the block flushes unless an error
    leaves it. Raises `StorageError`.
    """
    folder = shelf_folder(root, header.encoder, header.dtype, header.kind)
    with writing_in(folder, header, waiting, dropped, verify) as writer:
        yield writer


@contextmanager
def writing_in(
    folder: Path,
    header: Header,
    waiting: Callable[[], None] = lambda: None,
    dropped: Callable[[int], None] = lambda rows: None,
    verify: bool = True,
) -> Iterator[EmbeddingWriter]:
    """Write to the shelf in a folder: `writing` finds it."""
    make_directory(folder)
    with storing(folder):
        file = (folder / "lock").open("ab")
    with file as lock:
        if not try_lock(lock):
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = _repaired(folder, _found(folder, header), dropped, verify)
        _sweep_unnamed(folder, manifest)
        writer = EmbeddingWriter(folder, manifest)
        yield writer
        writer.flush()


def _found(folder: Path, header: Header) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        return Manifest(header)
    found = manifest.header
    if (found.encoder, found.kind, found.dimension) != (header.encoder, header.kind, header.dimension):
        raise StorageError(f"{folder} holds another encoder's rows", "choose another --store")
    return manifest


def _repaired(folder: Path, manifest: Manifest, dropped: Callable[[int], None], verify: bool) -> Manifest:
    """The manifest without shards that are damaged; one that is short is still the last."""
    whole = [entry for entry in manifest.shards if shard_is_whole(folder, entry, verify)]
    if len(whole) == len(manifest.shards):
        return manifest
    dropped(manifest.rows - sum(entry.rows for entry in whole))
    repaired = replace(manifest, shards=tuple(whole))
    write_manifest(folder, repaired)
    return repaired


def _sweep_unnamed(folder: Path, manifest: Manifest) -> None:
    """Remove what a killed writer left: temporary files, and shards that the manifest never came to name."""
    sweep(folder)
    named = {entry.name for entry in manifest.shards}
    for file in folder.glob("*.safetensors"):
        if file.name not in named:
            with suppress(OSError):
                file.unlink()
