"""Textual's driver for terminals, made to outlive bytes that are no text and terminals that are closed."""

from __future__ import annotations

import os
import select
import signal
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from threading import Event
from typing import IO, Any, cast

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from pasta_tui.terminal.sieve import Sieve

__all__ = ["ForgivingDriver"]

_MOMENT = 0.1


class ForgivingDriver(LinuxDriver):
    """Drops input that is not UTF-8, and output that no terminal takes any more.

    At the first Textual would end with a traceback: such bytes come from old mouse reports, keyboards set to
    another encoding and pasted binary data. At the second the thread that writes would die, and whoever has
    more to write, as leaving has, would wait for it for ever. A terminal that is closed counts as SIGHUP:
    the kernel sends that only to those whose controlling terminal it was, others would read its end for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file = cast(TextIOWrapper, _Outlet(cast(IO[str], self._file)))
        self.exit_event = self._bell = _Bell()
        self.begin_with(b"", owing=False)

    def _sigcont_application(self, *_: object) -> None:
        """Take the terminal up again, after letting it go where SIGSTOP or a hang-up left no time for that.

        Textual would begin a second time and leave the first threads behind, which would never end.
        """
        if self._auto_restart and not self._must_signal_resume:
            self.suspend_application_mode()
        super()._sigcont_application()

    def begin_with(self, typed: bytes, owing: bool) -> None:
        """Take `typed` for the first keys; if `owing`, the terminal's answers may come among the next."""
        self._typed, self._sieve = typed, Sieve(owing)

    def close(self) -> None:
        """End what writes, and let go of what the thread that read keys was woken by."""
        super().close()
        self._bell.close()

    def run_input_thread(self) -> None:
        """Read keys until the app ends."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("ignore").decode
        for data in self._input():
            text = decode(data)
            for event in (*(parser.feed(text) if text else ()), *parser.tick()):
                self.process_message(event)

    def _input(self) -> Iterator[bytes]:
        """What is typed, from before the first reading on; nothing where there is nothing for a moment."""
        # Enter is told otherwise as long as nobody has set the terminal to raw.
        yield self._sieve.keys(self._typed.replace(b"\n", b"\r"))
        self._typed = b""
        early = True
        while not self.exit_event.is_set():
            data = self._read(_MOMENT)
            yield self._sieve.keys(data.replace(b"\n", b"\r") if early else data)
            early = early and not data
        yield self._sieve.keys(self._read(0))

    def _read(self, patience: float) -> bytes:
        if self.fileno not in select.select([self.fileno, self._bell], [], [], patience)[0]:
            return b""
        with suppress(OSError):
            if data := os.read(self.fileno, 4096):
                return data
        # The terminal is gone; leaving needs a moment.
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGHUP)
            self.exit_event.wait(patience)
        return b""


class _Bell(Event):
    """An event that a `select` can wait for: whoever leaves waits for the thread that reads keys."""

    def __init__(self) -> None:
        super().__init__()
        self._ear, self._rope = os.pipe()
        self._closed = False

    def fileno(self) -> int:
        """What can be read from once it is set."""
        return self._ear

    def set(self) -> None:
        """Set it, and wake who waits for the file."""
        if not (self.is_set() or self._closed):
            os.write(self._rope, b"\0")
        super().set()

    def clear(self) -> None:
        """Reset it."""
        if self.is_set() and not self._closed:
            os.read(self._ear, 1)
        super().clear()

    def close(self) -> None:
        """Close its file, for which nobody waits any more; it remains an event."""
        if not self._closed:
            self._closed = True
            os.close(self._ear)
            os.close(self._rope)


class _Outlet:
    """A stream that takes everything, also when its terminal is gone."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()
