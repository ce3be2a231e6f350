"""The files of the embedding store: shards that never change, and the manifest that says which ones count.

A shard is a safetensors file with `keys` (n, 32) uint8, the SHA-256 of what each row embeds, and `vectors`
(n, d) in float16 or float32. Every shard but the last is full. A longer last shard replaces a shorter one
under another name, and only then the manifest names it: whatever a kill leaves behind, the files that the
manifest names are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from pasta_core.errors import StorageError
from pasta_core.files import storing, write_atomically

__all__ = [
    "KEY_BYTES",
    "SHARD_ROWS",
    "Header",
    "Manifest",
    "Shard",
    "ShardEntry",
    "map_shard",
    "read_manifest",
    "shard_is_whole",
    "write_manifest",
    "write_shard",
]

KEY_BYTES = 32
SHARD_ROWS = 8192
"""Rows of a full shard: 12 MiB at the 768 half-precision numbers of ViT-L-14."""

_FORMAT = "pasta-embeddings"
_VERSION = 1
_DTYPES: Mapping[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "U8": np.dtype("u1")}


@dataclass(frozen=True)
class Header:
    """What all rows of a shelf have in common."""

    encoder: str
    """The encoder's fingerprint (`encoder_fingerprint`)."""
    kind: str
    """`image` or `text`."""
    dimension: int
    dtype: str
    """`float16` or `float32`."""
    shard_rows: int = SHARD_ROWS


@dataclass(frozen=True)
class ShardEntry:
    """One finished shard as the manifest names it; `sha256` and `size` (bytes) are the whole file's."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A shelf's header and its shards in order."""

    header: Header
    shards: tuple[ShardEntry, ...] = ()

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True, eq=False)
class Shard:
    """A mapped shard: `keys` (n, 32) uint8 and `vectors` (n, d)."""

    keys: npt.NDArray[np.uint8]
    vectors: npt.NDArray[Any]


def read_manifest(folder: Path) -> Manifest | None:
    """A shelf's manifest, None where there is none yet; `StorageError` where it is damaged or foreign."""
    path = folder / "manifest.json"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read ({error.strerror})", "check the disk and the path"
        ) from error
    try:
        document: Mapping[str, Any] = json.loads(raw)
        if (document["format"], document["version"]) != (_FORMAT, _VERSION):
            raise ValueError("another format")
        shards = tuple(ShardEntry(**entry) for entry in document["shards"])
        return Manifest(Header(**document["header"]), shards)
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged or of another version", f"remove {folder}: its rows can be embedded again"
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the one that counts, durably."""
    document = {"format": _FORMAT, "version": _VERSION, **asdict(manifest)}
    write_atomically(folder / "manifest.json", json.dumps(document, indent=1).encode() + b"\n")


def write_shard(
    folder: Path, index: int, keys: npt.NDArray[np.uint8], vectors: npt.NDArray[Any]
) -> ShardEntry:
    """Write a shard, durably, under a name that its place and its bytes decide."""
    data = save({"keys": np.ascontiguousarray(keys), "vectors": np.ascontiguousarray(vectors)})
    digest = hashlib.sha256(data).hexdigest()
    name = f"{index:06d}-{digest[:12]}.safetensors"
    write_atomically(folder / name, data)
    return ShardEntry(name, len(keys), len(data), digest)


def map_shard(folder: Path, entry: ShardEntry, header: Header) -> Shard:
    """Map a shard into memory, having checked its size and its own header.

    Raises FileNotFoundError if a longer one has replaced it meanwhile, `StorageError` if it is damaged.
    """
    path = folder / entry.name
    size = path.stat().st_size
    if size != entry.size:
        raise _damaged(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            tensors = json.loads(file.read(length))
        keys = _mapped(path, tensors["keys"], 8 + length, (entry.rows, KEY_BYTES))
        vectors = _mapped(path, tensors["vectors"], 8 + length, (entry.rows, header.dimension))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(path) from error
    if keys.dtype != np.uint8 or vectors.dtype != np.dtype(header.dtype):
        raise _damaged(path)
    return Shard(keys, vectors)


def shard_is_whole(folder: Path, entry: ShardEntry, read: bool = True) -> bool:
    """Whether a shard's bytes are those that were written; unless `read`, whether there are as many."""
    path = folder / entry.name
    if not path.is_file() or path.stat().st_size != entry.size:
        return False
    if not read:
        return True
    with storing(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256


def _mapped(path: Path, tensor: Mapping[str, Any], start: int, shape: Sequence[int]) -> npt.NDArray[Any]:
    if list(tensor["shape"]) != list(shape):
        raise ValueError("another shape")
    offset = start + int(tensor["data_offsets"][0])
    return np.memmap(path, _DTYPES[tensor["dtype"]], "r", offset, tuple(shape))


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path} is damaged", "'pasta data embed' checks the store and redoes what is damaged"
    )
