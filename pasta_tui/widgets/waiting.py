"""What stands where pictures will be, while the models are being started."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.content import Content
from textual.widgets import Static

from pasta_core.settings import SessionSettings
from pasta_tui.terminal.text import wrap

__all__ = ["Waiting"]

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"
_BEAT = 0.25
_LINE = 56
"""Cells of a line that is read easily."""


class Waiting(Static):
    """Says what is being waited for, for how long already, and what comes then; it moves all the while."""

    DEFAULT_CSS = """
    Waiting { width: 100%; height: 100%; padding: 0 1; content-align: center middle; text-align: center; }
    """

    def __init__(
        self, settings: SessionSettings, unicode: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(markup=False)
        self._settings = settings
        self._spinner = _SPINNER if unicode else _ASCII_SPINNER
        self._clock = clock
        self._begin = clock()
        self._what = ""

    def on_mount(self) -> None:
        """Begin to move."""
        self.set_interval(_BEAT, self._turn)

    def wait_for(self, what: str) -> None:
        """Say what is being waited for; nothing is shown where that is nothing."""
        if what and not self._what:
            self._begin = self._clock()
        self._what = what
        self.display = bool(what)
        self._turn()

    def _turn(self) -> None:
        if not self.display:
            return
        seconds = self._clock() - self._begin
        sign = self._spinner[int(seconds / _BEAT) % len(self._spinner)]
        self.update(
            Content.assemble(
                (f"{sign} {self._what}  {seconds:.0f} s", "bold $accent"),
                "\n\n",
                (
                    "\n".join(wrap(_then(self._settings), min(_LINE, self.content_size.width))),
                    "$foreground 70%",
                ),
            )
        )


def _then(settings: SessionSettings) -> str:
    """What a turn is."""
    pictures = "one picture" if settings.images == 1 else f"{settings.images} pictures"
    return (
        f"Then your words are painted, and a language model makes {settings.form.total} prompts of them. "
        f"{settings.columns} are shown, {pictures} each: you take the column that comes closest, and the "
        f"next turn starts from it."
    )
