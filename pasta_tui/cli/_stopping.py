"""Ctrl-C as a wish that a long job looks at between its steps; a second one ends it at once."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["StopRequest"]


class StopRequest:
    """Says whether somebody asked to stop."""

    def __init__(self) -> None:
        self.made = False

    def __call__(self) -> bool:
        return self.made

    def install(self) -> None:
        """Take over SIGINT for the rest of the process."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.made:
                raise KeyboardInterrupt
            self.made = True

        signal.signal(signal.SIGINT, ask)
