"""What a terminal answers, read byte by byte, as answers come in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

__all__ = ["Replies", "Reply"]

_STRINGS = {ord("_"): "APC", ord("P"): "DCS", ord("]"): "OSC", ord("^"): "PM", ord("X"): "SOS"}
_LONGEST = 4096
"""Bytes of one reply; more is noise."""


@dataclass(frozen=True)
class Reply:
    """One control sequence: `CSI`, `APC`, `DCS`, `OSC`, and its body (of CSI with the final letter).

    What is none, such as letters, has no kind and no body; `raw` are the bytes as they came.
    """

    kind: str
    body: str
    raw: bytes = field(default=b"", compare=False)


class _State(Enum):
    GROUND = auto()
    ESCAPE = auto()
    CSI = auto()
    STRING = auto()
    STRING_ESCAPE = auto()


class Replies:
    """Cuts a stream of bytes into control sequences and what stands between them; no byte is lost."""

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._kind = ""
        self._body = bytearray()
        self._raw = bytearray()

    def feed(self, data: bytes) -> Iterator[Reply]:
        """What `data` completes."""
        for byte in data:
            self._raw.append(byte)
            reply = self._step(byte)
            if reply is not None or self._state is _State.GROUND:
                kind, body = (reply.kind, reply.body) if reply is not None else ("", "")
                yield Reply(kind, body, self.rest())

    def rest(self) -> bytes:
        """Give up the sequence that is not complete yet, and return what there is of it."""
        raw = bytes(self._raw)
        self._raw.clear()
        self._state = _State.GROUND
        return raw

    def _step(self, byte: int) -> Reply | None:
        match self._state:
            case _State.GROUND:
                self._state = _State.ESCAPE if byte == 0x1B else _State.GROUND
            case _State.ESCAPE:
                self._begin(byte)
            case _State.CSI:
                return self._in_csi(byte)
            case _State.STRING:
                return self._in_string(byte)
            case _State.STRING_ESCAPE:
                if byte == ord("\\"):
                    return self._end()
                self._begin(byte)
        return None

    def _begin(self, byte: int) -> None:
        self._body.clear()
        if byte == ord("["):
            self._kind, self._state = "CSI", _State.CSI
        elif byte in _STRINGS:
            self._kind, self._state = _STRINGS[byte], _State.STRING
        else:
            self._state = _State.ESCAPE if byte == 0x1B else _State.GROUND

    def _in_csi(self, byte: int) -> Reply | None:
        if byte == 0x1B:
            self._state = _State.ESCAPE
            return None
        self._body.append(byte)
        if 0x40 <= byte <= 0x7E:
            return self._end()
        if not 0x20 <= byte <= 0x3F or len(self._body) > _LONGEST:
            self._state = _State.GROUND
        return None

    def _in_string(self, byte: int) -> Reply | None:
        if byte == 0x07:
            return self._end()
        if byte == 0x1B:
            self._state = _State.STRING_ESCAPE
        elif len(self._body) > _LONGEST:
            self._state = _State.GROUND
        else:
            self._body.append(byte)
        return None

    def _end(self) -> Reply:
        self._state = _State.GROUND
        return Reply(self._kind, self._body.decode("ascii", "replace"))
