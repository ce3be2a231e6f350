"""Ctrl-C as a wish that a long job looks at between its steps; a second one ends it at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

__all__ = ["StopRequest"]


class StopRequest:
    """Says whether somebody asked to stop, while it is installed or its block runs."""

    def __init__(self) -> None:
        self.made = False
        self._before: Any = signal.default_int_handler

    def __call__(self) -> bool:
        return self.made

    def install(self) -> None:
        """Take over SIGINT until the process or the block ends."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.made:
                raise KeyboardInterrupt
            self.made = True

        self._before = signal.signal(signal.SIGINT, ask)

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
