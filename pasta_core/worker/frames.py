"""The wire format of a worker: length-prefixed frames of a JSON header and numpy arrays.

One frame is `PASTA`, a format byte, the header's length (u32, big endian), the payload's length (u64), the
header (UTF-8 JSON) and the payload (the arrays' bytes, one after another, described in the header).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from pasta_core.errors import WorkerError

__all__ = [
    "MAX_HEADER",
    "MAX_PAYLOAD",
    "MAX_PREAMBLE",
    "Frame",
    "FrameDecoder",
    "decode_frames",
    "encode_frame",
    "read_frames",
]

MAGIC = b"PASTA"
FORMAT = 1
PREFIX = struct.Struct(">5sBIQ")
MAX_HEADER = 4 * 2**20
"""Longest header in bytes."""
MAX_PAYLOAD = 2**30
"""Longest payload in bytes: 300 images of 1024x1024 pixels."""
MAX_PREAMBLE = 2**16
"""How much text a login shell may print before the first frame, in bytes."""
DTYPES = frozenset({"uint8", "bool", "int32", "int64", "float16", "float32", "float64"})

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """One message: JSON data and the named arrays that ride with it."""

    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


def encode_frame(data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> bytes:
    """Encode one message; ValueError where it is over a limit or holds arrays of other types."""
    blocks = []
    described = []
    for name, array in (arrays or {}).items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"array {name!r} is {array.dtype}, the wire carries {', '.join(sorted(DTYPES))}")
        block = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        blocks.append(block)
        described.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
    header = json.dumps({"data": data, "arrays": described}, separators=(",", ":")).encode()
    payload = b"".join(blocks)
    if len(header) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame of {len(header)} + {len(payload)} bytes is over the limit")
    return PREFIX.pack(MAGIC, FORMAT, len(header), len(payload)) + header + payload


class FrameDecoder:
    """Turns a byte stream into frames, however the bytes are cut.

    Text before the first frame (a login banner, a shell's greeting) is skipped and kept in `preamble`;
    anything that is not a frame after it raises `WorkerError`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped = bytearray()
        self._synchronised = False

    @property
    def preamble(self) -> str:
        """What came before the first frame, as one line of printable text; all there is if none came."""
        text = bytes(self._skipped if self._synchronised else self._skipped + self._buffer)
        printable = "".join(c if c.isprintable() else " " for c in text.decode("utf-8", "replace"))
        return " ".join(printable.split())

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete."""
        self._buffer += data
        if not self._synchronised and not self._synchronise():
            return []
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _synchronise(self) -> bool:
        start = self._buffer.find(MAGIC)
        if start < 0:
            keep = next((n for n in range(len(MAGIC) - 1, 0, -1) if self._buffer.endswith(MAGIC[:n])), 0)
            start = len(self._buffer) - keep
        else:
            self._synchronised = True
        self._skipped += self._buffer[:start]
        del self._buffer[:start]
        if len(self._skipped) > MAX_PREAMBLE:
            raise WorkerError(
                f"what was started is no pasta worker, it says: {self.preamble[:120]}",
                "check the worker's command",
            )
        return self._synchronised

    def _next(self) -> Frame | None:
        if len(self._buffer) < PREFIX.size:
            return None
        magic, version, header_size, payload_size = PREFIX.unpack_from(self._buffer)
        if magic != MAGIC:
            raise WorkerError(f"the worker broke the protocol: {bytes(self._buffer[:40])!r} is no frame")
        if version != FORMAT:
            raise WorkerError(
                f"the worker speaks frame format {version}, this program {FORMAT}",
                "install the same version of pasta on both sides",
            )
        if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
            raise WorkerError(
                f"the worker sent a frame of {header_size} + {payload_size} bytes, over the limit"
            )
        body = PREFIX.size + header_size
        end = body + payload_size
        if len(self._buffer) < end:
            return None
        header = bytes(self._buffer[PREFIX.size : body])
        payload = bytes(self._buffer[body:end])
        del self._buffer[:end]
        return _parse(header, payload)


def _parse(header: bytes, payload: bytes) -> Frame:
    try:
        parsed = json.loads(header)
        data = parsed["data"]
        if not isinstance(data, dict):
            raise TypeError("the data is no object")
        arrays: dict[str, Array] = {}
        offset = 0
        for entry in parsed["arrays"]:
            shape = tuple(int(n) for n in entry["shape"])
            if entry["dtype"] not in DTYPES or any(n < 0 for n in shape):
                raise ValueError(f"no array is {entry['dtype']} {shape}")
            dtype = np.dtype(entry["dtype"])
            count = int(np.prod(shape, dtype=np.int64))
            arrays[str(entry["name"])] = (
                np.frombuffer(payload, dtype.newbyteorder("<"), count, offset)
                .astype(dtype, copy=False)
                .reshape(shape)
            )
            offset += count * dtype.itemsize
        if offset != len(payload):
            raise ValueError(f"the arrays take {offset} bytes, the payload has {len(payload)}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WorkerError(f"the worker sent a frame that cannot be read: {error}") from error
    return Frame(data, arrays)


def decode_frames(data: bytes) -> list[Frame]:
    """Decode a whole byte string; `WorkerError` where it ends inside a frame or holds something else."""
    decoder = FrameDecoder()
    frames = decoder.feed(data)
    if decoder.pending:
        raise WorkerError("the stream ends inside a frame")
    return frames


def read_frames(stream: IO[bytes]) -> Iterator[Frame]:
    """Read frames from an unbuffered stream until it ends; a frame cut short by the end is dropped."""
    decoder = FrameDecoder()
    while data := stream.read(2**18):
        yield from decoder.feed(data)
