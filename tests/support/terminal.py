"""A terminal that a command runs in: keys go in, a screen comes out."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

__all__ = ["TerminalSession"]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class TerminalSession:
    """Runs a command on a pseudo-terminal of a given size and reads what it draws."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, columns: int = 80, rows: int = 40
    ) -> None:
        self.raw = ""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], list(command), {**os.environ, **(env or {})})
        self._code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    @property
    def text(self) -> str:
        """Everything that was drawn so far, without escape codes."""
        return _ESCAPES.sub("", self.raw)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._fd, f"{text}\r".encode())

    def press(self, key: bytes) -> None:
        """Press one key."""
        os.write(self._fd, key)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size; 0 is one that programs meet too."""
        self.screen.resize(max(rows, 1), max(columns, 1))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed does."""
        os.close(self._fd)
        self._fd = os.open(os.devnull, os.O_RDWR)

    @property
    def modes(self) -> list[int]:
        """How its line discipline is set: input, output, control and local modes."""
        return list(termios.tcgetattr(self._fd)[:4])

    @property
    def shown(self) -> str:
        """What the screen shows now."""
        return "\n".join(self.screen.display)

    def settle(self, patience: float = 0.3, limit: float = 5) -> None:
        """Read until nothing more has been drawn for a while; a cursor that blinks is never at rest."""
        end = time.monotonic() + limit
        while time.monotonic() < end and select.select([self._fd], [], [], patience)[0]:
            if not self._read(0):
                return

    def wait_to_see(self, text: str, limit: float = 240) -> None:
        """Read until the screen shows `text`."""
        end = time.monotonic() + limit
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} is not shown:\n{self.shown}"
            assert self._read(1.0), f"it ended without {text!r}:\n{self.text[-2000:]}"

    def wait_for(self, text: str, times: int = 1, limit: float = 240) -> None:
        """Read until `text` has been drawn so many times."""
        end = time.monotonic() + limit
        while self.text.count(text) < times:
            assert time.monotonic() < end, f"{text!r} did not come: {self.text[-2000:]}"
            assert self._read(1.0), f"it ended without {text!r}: {self.text[-2000:]}"

    def wait(self, limit: float = 240) -> int:
        """Read to the end and return the exit code."""
        end = time.monotonic() + limit
        while self._read(1.0):
            assert time.monotonic() < end, f"it did not end: {self.text[-2000:]}"
        self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def _read(self, patience: float) -> bool:
        """Read what there is; False at the end."""
        if not select.select([self._fd], [], [], patience)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        drawn = self._decoder.decode(data)
        self.raw += drawn
        self._stream.feed(drawn)
        return bool(data)
