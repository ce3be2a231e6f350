"""Textual's driver for terminals, made to outlive bytes that are no text."""

from __future__ import annotations

from contextlib import suppress

from textual.drivers.linux_driver import LinuxDriver

__all__ = ["ForgivingDriver"]


class ForgivingDriver(LinuxDriver):
    """Drops input that is not UTF-8, where Textual would end with a traceback.

    Such bytes come from old mouse reports, keyboards set to another encoding and pasted binary data.
    """

    def run_input_thread(self) -> None:
        """Read keys until the app ends."""
        while not self.exit_event.is_set():
            with suppress(UnicodeDecodeError):
                super().run_input_thread()
