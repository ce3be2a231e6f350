"""Textual's driver for terminals, made to outlive bytes that are no text and terminals that are closed."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, Any, cast

from textual.drivers.linux_driver import LinuxDriver

__all__ = ["ForgivingDriver"]


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

    def _sigcont_application(self, *_: object) -> None:
        """Take the terminal up again, after letting it go where SIGSTOP or a hang-up left no time for that.

        Textual would begin a second time and leave the first threads behind, which would never end.
        """
        if self._auto_restart and not self._must_signal_resume:
            self.suspend_application_mode()
        super()._sigcont_application()

    def run_input_thread(self) -> None:
        """Read keys until the app ends."""
        threading.Thread(target=self._await_hang_up, daemon=True).start()
        while not self.exit_event.is_set():
            with suppress(UnicodeDecodeError):
                super().run_input_thread()

    def _await_hang_up(self) -> None:
        poll = select.poll()
        poll.register(self.fileno, 0)
        while not self.exit_event.is_set():
            if poll.poll(500):
                os.kill(os.getpid(), signal.SIGHUP)
                return


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
