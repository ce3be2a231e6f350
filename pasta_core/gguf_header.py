"""How long a GGUF file must be and what it is, read from its header alone (versions 2 and 3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["GgufFacts", "gguf_facts", "gguf_problem"]

_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_UINT32 = 4
_ARCHITECTURE, _TEMPLATE = "general.architecture", "tokenizer.chat_template"
_INTEGERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_LONGEST = 4096
"""Values of an array that is kept; longer ones are vocabularies."""
_TYPE_BYTES = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    30: (1, 2),
}
"""Values per block and bytes per block of the plain types: f32, f16, q4_0 to q8_0."""
_MORE_TYPE_BYTES = {30: (1, 2), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210)}


def gguf_problem(path: Path) -> str:
    """Say what is wrong with the file's beginning or length, "" if nothing is."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            return "is not a GGUF file"
        try:
            return "is cut short" if _Header(stream, size).end > size else ""
        except EOFError:
            return "is cut short"
        except (ValueError, KeyError):
            return "is not a GGUF file this version can read"


@dataclass(frozen=True)
class GgufFacts:
    """What a header says in whole numbers, keys without the architecture before them."""

    architecture: str
    """What the file says it is: "llama", "qwen3vl", ...; "clip" for an image encoder (mmproj)."""
    numbers: Mapping[str, int]
    """`block_count`, `embedding_length`, `attention.head_count_kv`, ..."""
    lists: Mapping[str, tuple[int, ...]]
    """The same where layers differ, one number a layer."""
    vocabulary: int
    """How many tokens there are, 0 where it is not said."""
    chat: bool
    """Whether there is a chat template, as instruct models have one."""


def gguf_facts(path: Path) -> GgufFacts:
    """Read them from a whole file; `ValueError`, `KeyError` or `EOFError` where it is none."""
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ValueError("no GGUF file")
        header = _Header(stream, path.stat().st_size)
    architecture = header.texts.get(_ARCHITECTURE, "")
    prefix = f"{architecture}."
    return GgufFacts(
        architecture,
        {key.removeprefix(prefix): value for key, value in header.numbers.items()},
        {key.removeprefix(prefix): value for key, value in header.lists.items()},
        header.lengths.get("tokenizer.ggml.tokens", 0),
        bool(header.texts.get(_TEMPLATE, "").strip()),
    )


class _Header:
    """Reads a header behind its magic and finds where the last tensor ends."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        if self._integer(4) not in (2, 3):
            raise ValueError("unknown version")
        tensors, entries = self._integer(8), self._integer(8)
        alignment = 32
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, tuple[int, ...]] = {}
        self.lengths: dict[str, int] = {}
        for _ in range(entries):
            key = self._read(self._integer(8))
            self._key = key.decode("utf-8", "replace")
            kind = self._integer(4)
            if key == b"general.alignment" and kind == _UINT32:
                alignment = self._integer(4)
            elif kind in _INTEGERS:
                self.numbers[self._key] = self._number(kind)
            elif kind == _STRING and self._key in (_ARCHITECTURE, _TEMPLATE):
                self.texts[self._key] = self._read(self._integer(8)).decode("utf-8", "replace")
            else:
                self._skip_value(kind)
        ends = [self._tensor_end() for _ in range(tensors)]
        start = -(-stream.tell() // alignment) * alignment
        self.end = start + max(ends, default=0)

    def _tensor_end(self) -> int:
        self._read(self._integer(8))
        values = 1
        for _ in range(self._integer(4)):
            values *= self._integer(8)
        kind, offset = self._integer(4), self._integer(8)
        # Of a type that is not listed, at least the first byte must be there.
        per_block, block = {**_TYPE_BYTES, **_MORE_TYPE_BYTES}.get(kind, (max(values, 1), 1))
        return offset + values // per_block * block

    def _skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self._read(self._integer(8))
        elif kind == _ARRAY:
            inner, count = self._integer(4), self._integer(8)
            self.lengths[self._key] = count
            if inner in (_STRING, _ARRAY):
                for _ in range(count):
                    self._skip_value(inner)
            elif inner in _INTEGERS and count <= _LONGEST:
                self.lists[self._key] = tuple(self._number(inner) for _ in range(count))
            else:
                self._read(_SCALAR_BYTES[inner] * count)
        else:
            self._read(_SCALAR_BYTES[kind])

    def _number(self, kind: int) -> int:
        number: int = struct.unpack(_INTEGERS[kind], self._read(_SCALAR_BYTES[kind]))[0]
        return number

    def _integer(self, size: int) -> int:
        number: int = struct.unpack("<I" if size == 4 else "<Q", self._read(size))[0]
        return number

    def _read(self, size: int) -> bytes:
        # Asked first: a damaged length must not ask for all memory.
        if size > self._size - self._stream.tell():
            raise EOFError
        return self._stream.read(size)
