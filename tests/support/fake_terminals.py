"""Terminals that answer questions on a pseudo-terminal, fast or slow, whole or in pieces."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Mapping
from types import TracebackType
from typing import Self

__all__ = ["CELL", "KITTY", "NAME", "FakeTerminal", "device"]

KITTY = "\x1b_Gi=31"
NAME = "\x1b[>q"
CELL = "\x1b[16t"
DEVICE = "\x1b[c"


def device(*abilities: int) -> dict[str, str]:
    """The answer to the device query: a VT220 with these abilities."""
    return {DEVICE: f"\x1b[?{';'.join(map(str, (62, *abilities)))}c"}


class FakeTerminal:
    """Answers what its table knows, each answer `delay` seconds after the question."""

    def __init__(
        self,
        answers: Mapping[str, str],
        delay: float = 0.0,
        pieces: int = 0,
        window: tuple[int, int, int, int] = (50, 160, 0, 0),
    ) -> None:
        self._answers = answers
        self._delay = delay
        self._pieces = pieces
        self.asked = ""
        self._own, self.fd = pty.openpty()
        tty.setcbreak(self.fd)
        before = termios.tcgetattr(self.fd)
        before[3] |= termios.ECHO
        termios.tcsetattr(self.fd, termios.TCSANOW, before)
        self.before = termios.tcgetattr(self.fd)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *window))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        os.close(self.fd)
        os.close(self._own)

    def type(self, keys: bytes) -> None:
        """Press keys, whether or not somebody reads them yet."""
        os.write(self._own, keys)

    def left(self, patience: float = 0.3) -> bytes:
        """What a program that reads keys would find now or soon."""
        tty.setraw(self.fd)
        found = b""
        while select.select([self.fd], [], [], patience)[0]:
            found += os.read(self.fd, 4096)
        return found

    def _serve(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while not self._done.is_set():
            if not select.select([self._own], [], [], 0.02)[0]:
                continue
            with contextlib.suppress(OSError):
                text = decode(os.read(self._own, 65536))
                self.asked += text
                self._answer(text)

    def _answer(self, text: str) -> None:
        known = [(text.index(query), answer) for query, answer in self._answers.items() if query in text]
        reply = "".join(answer for _, answer in sorted(known)).encode()
        if not reply:
            return
        self._done.wait(self._delay)
        size = self._pieces or len(reply)
        for start in range(0, len(reply), size):
            os.write(self._own, reply[start : start + size])
            if self._pieces:
                time.sleep(0.002)
