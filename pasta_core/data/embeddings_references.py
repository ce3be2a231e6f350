"""Which content a data set's image references have: decoding millions of images once is enough.

A reference is known by its source, its name and its bytes where a reader has them, else the state (size, time
of change) of the file that holds them, so a data set that was changed on the disk is read again.
An unreadable image is known as such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pasta_core.data.embeddings import EmbeddingShelf, EmbeddingStore, text_hash
from pasta_core.data.embeddings_shards import KEY_BYTES, Header
from pasta_core.data.embeddings_writer import EmbeddingWriter, writing_in
from pasta_core.data.images import ImageReference
from pasta_core.data.records import Source

__all__ = [
    "UNREADABLE",
    "ImageRows",
    "ReferenceKeys",
    "ReferenceShelf",
    "TextRows",
    "reference_writing",
    "remember",
]

UNREADABLE = "00" * KEY_BYTES
"""The content of an image that cannot be read."""

_HEADER = Header("", "reference", KEY_BYTES, "uint8")


class ReferenceKeys:
    """The keys of one source's references."""

    def __init__(self, source: Source) -> None:
        self._source = f"{source.kind}\0{source.path.expanduser().absolute()}"
        self._states: dict[str, str] = {}

    def __call__(self, reference: ImageReference) -> str:
        """The key (hexadecimal) of a reference as its bytes, or their file, are now."""
        if reference.known_sha256 is None and (state := reference.state) is not None:
            return self._key(reference.name, state)
        container = reference.locality[0]
        if container not in self._states:
            if len(self._states) > 1000:
                self._states.clear()
            self._states[container] = _state(Path(container))
        return self._key(reference.name, self._states[container])

    def _key(self, name: str, state: str) -> str:
        text = f"{self._source}\0{name}\0{state}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ReferenceShelf:
    """The content hashes of references that were embedded before, as they were when it was opened."""

    def __init__(self, root: Path) -> None:
        self._shelf = EmbeddingShelf.open(_folder(root), _HEADER)

    def contents(self, keys: Sequence[str]) -> list[str | None]:
        """For each key the content hash, `UNREADABLE`, or None where it was never looked at."""
        rows = self._shelf.find(keys)
        contents = self._shelf.gather(np.maximum(rows, 0), np.uint8) if len(self._shelf) else None
        return [
            None if contents is None or row < 0 else contents[place].tobytes().hex()
            for place, row in enumerate(rows)
        ]


class ImageRows:
    """Finds the image rows of one source's references in an embedding store, without opening an image."""

    def __init__(self, store: EmbeddingStore, source: Source) -> None:
        self._images = store.images
        self._references = ReferenceShelf(store.root)
        self._keys = ReferenceKeys(source)

    def __call__(self, references: Iterable[ImageReference]) -> npt.NDArray[np.int64]:
        """The row (n,) of each reference, -1 where it was not embedded or cannot be read."""
        wanted = list(references)
        known = self._references.contents([self._keys(reference) for reference in wanted])
        hashes = [
            reference.known_sha256 or content or UNREADABLE
            for reference, content in zip(wanted, known, strict=True)
        ]
        return self._images.find(hashes)


class TextRows:
    """Finds the rows of texts in an embedding store."""

    def __init__(self, store: EmbeddingStore) -> None:
        self._texts = store.texts

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """The row (n,) of each text, -1 where it was not embedded."""
        return self._texts.find([text_hash(text) for text in texts])


@contextmanager
def reference_writing(root: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[EmbeddingWriter]:
    """Remember references, alone: as `writing`, for this shelf."""
    with writing_in(_folder(root), _HEADER, waiting) as writer:
        yield writer


def remember(writer: EmbeddingWriter, keys: Sequence[str], contents: Sequence[str]) -> None:
    """Add what references hold: content hashes or `UNREADABLE`."""
    packed = np.frombuffer(bytes.fromhex("".join(contents)), np.uint8).reshape(-1, KEY_BYTES)
    writer.add(keys, packed)


def _folder(root: Path) -> Path:
    return root / "references"


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
