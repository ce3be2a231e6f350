"""The embedding store: CLIP outputs before normalisation (D.4), computed once, by content and by encoder.

An image's key is the SHA-256 of its RGB bytes, a text's that of its UTF-8. What one encoder made lies in a
folder named after the encoder's fingerprint, so that rows of different encoders can never be mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pasta_core.data.embeddings_shards import KEY_BYTES, Header, Shard, map_shard, read_manifest
from pasta_core.errors import InvalidInput, ModelUnavailable, StorageError
from pasta_core.files import reading_model

__all__ = [
    "KINDS",
    "EmbeddingShelf",
    "EmbeddingStore",
    "default_store",
    "encoder_fingerprint",
    "shelf_folder",
    "text_hash",
]

KINDS = ("image", "text")
DTYPES = ("float16", "float32")

Rows = npt.NDArray[np.int64]

_OPENING_ATTEMPTS = 20
_MODEL_FILES = (
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
)
"""What decides an embedding; a folder may hold pages and measurements beside it."""
_RECIPE = "open_clip, eval mode, before normalisation, 1"
"""Part of every fingerprint: changed when the same weights would be run in another way."""


def default_store(data: Path) -> Path:
    """Where the store lies in a data directory, if nobody says otherwise."""
    return data / "embeddings"


def text_hash(text: str) -> str:
    """The key of a text: the SHA-256 of its UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def encoder_fingerprint(folder: Path) -> str:
    """The SHA-256 of an open_clip folder's configuration, weights and tokenizer; `ModelUnavailable`."""
    files = sorted({file for pattern in _MODEL_FILES for file in folder.glob(pattern) if file.is_file()})
    if not files:
        raise ModelUnavailable(f"there is no CLIP model in {folder}", "name an open_clip folder")
    whole = hashlib.sha256(_RECIPE.encode())
    for file in files:
        with reading_model(file), file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"\n{file.name} {digest}".encode())
    return whole.hexdigest()


def shelf_folder(root: Path, encoder: str, dtype: str, kind: str) -> Path:
    """Where the rows of one encoder, number type and kind lie."""
    return root / f"{encoder[:16]}-{dtype}" / kind


class EmbeddingShelf:
    """All rows of one kind: where they are (`rows`), which lack (`missing`), what they hold (`gather`).

    A snapshot: rows that are added later belong to shelves that are opened later, with the same numbers.
    """

    def __init__(self, header: Header, shards: Sequence[Shard]) -> None:
        self.header = header
        self._shards = tuple(shards)
        lengths = [len(shard.keys) for shard in shards]
        self._starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    @classmethod
    def open(cls, folder: Path, header: Header) -> EmbeddingShelf:
        """Map a shelf's finished shards, none where nothing was embedded yet. Raises `StorageError`."""
        for _ in range(_OPENING_ATTEMPTS):
            manifest = read_manifest(folder)
            if manifest is None:
                return cls(header, ())
            if (manifest.header.encoder, manifest.header.kind) != (header.encoder, header.kind):
                raise StorageError(f"{folder} holds another encoder's rows", "choose another --store")
            try:
                shards = [map_shard(folder, entry, manifest.header) for entry in manifest.shards]
            except FileNotFoundError:
                # A writer has replaced the last shard by a longer one since the manifest was read.
                continue
            return cls(manifest.header, shards)
        raise StorageError(
            f"{folder} lacks files that its manifest names", "'pasta data embed' embeds them again"
        )

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def dimension(self) -> int:
        """d, the length of a row."""
        return self.header.dimension

    def find(self, hashes: Sequence[str]) -> Rows:
        """The row number (n,) of each hash (hexadecimal), -1 where it was not embedded."""
        wanted = _packed(hashes)
        if not len(self) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        keys, order = self._index
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[places] == wanted, order[places], -1)

    def rows(self, hashes: Sequence[str]) -> Rows:
        """The row number (n,) of each hash; `StorageError` if one was not embedded."""
        found = self.find(hashes)
        lost = int((found < 0).sum())
        if lost:
            raise StorageError(
                f"{lost} of {len(hashes)} {self.header.kind} embeddings are not in the store",
                "run 'pasta data embed' on the same data first",
            )
        return found

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """The hashes that were not embedded yet, each once, in the order they come in."""
        found = self.find(hashes)
        return list(dict.fromkeys(key for key, row in zip(hashes, found, strict=True) if row < 0))

    def gather(self, rows: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """The vectors (*rows.shape, d) of row numbers, float32 unless told, copied from the files."""
        wanted = np.asarray(rows, np.int64)
        flat = wanted.reshape(-1)
        if len(flat) and not (flat.min() >= 0 and flat.max() < len(self)):
            raise IndexError(f"rows lie in 0..{len(self) - 1}")
        out = np.empty((len(flat), self.dimension), dtype)
        which = np.searchsorted(self._starts, flat, side="right") - 1
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(len(self._shards) + 1))
        for number, shard in enumerate(self._shards):
            places = order[bounds[number] : bounds[number + 1]]
            if len(places):
                out[places] = shard.vectors[flat[places] - self._starts[number]]
        return out.reshape(*wanted.shape, self.dimension)

    @property
    def array(self) -> npt.NDArray[Any]:
        """All rows (n, d) in the stored type: the mapped file where it is but one shard, else a copy."""
        if len(self._shards) == 1:
            return self._shards[0].vectors
        empty = np.zeros((0, self.dimension), self.header.dtype)
        return np.concatenate([empty, *(shard.vectors for shard in self._shards)])

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.bytes_], Rows]:
        keys = np.concatenate([shard.keys for shard in self._shards]).view(f"S{KEY_BYTES}").reshape(-1)
        order = np.argsort(keys, kind="stable").astype(np.int64)
        return keys[order], order


class EmbeddingStore:
    """What one encoder has embedded below `root`: a shelf of images and one of texts.

    Any number of runs may read it, and one may write (`EmbeddingWriter`), at the same time.
    """

    def __init__(self, root: Path, encoder: str, dtype: str = "float16") -> None:
        """`encoder` is a fingerprint (`encoder_fingerprint`), `dtype` the stored type, float16 or float32."""
        if dtype not in DTYPES:
            raise InvalidInput(f"{dtype} is no type of an embedding", f"choose {' or '.join(DTYPES)}")
        self.root = root
        self.encoder = encoder
        self.dtype = dtype

    @cached_property
    def images(self) -> EmbeddingShelf:
        """The image rows, as they were when first asked for."""
        return self.shelf("image")

    @cached_property
    def texts(self) -> EmbeddingShelf:
        """The text rows, as they were when first asked for."""
        return self.shelf("text")

    def shelf(self, kind: str) -> EmbeddingShelf:
        """Open the shelf of a kind as it is now."""
        folder = shelf_folder(self.root, self.encoder, self.dtype, kind)
        return EmbeddingShelf.open(folder, Header(self.encoder, kind, 0, self.dtype))


def _packed(hashes: Sequence[str]) -> npt.NDArray[np.bytes_]:
    raw = bytes.fromhex("".join(hashes))
    if len(raw) != KEY_BYTES * len(hashes):
        raise ValueError("a hash is 64 hexadecimal digits")
    return np.frombuffer(raw, f"S{KEY_BYTES}")
