"""Takes the terminal's late answers out of what is typed."""

from __future__ import annotations

import time
from collections.abc import Callable

from pasta_tui.terminal.probe import is_answer
from pasta_tui.terminal.replies import Replies

__all__ = ["Sieve"]

_PATIENCE = 30.0
"""Seconds after which nothing is an answer any more."""


class Sieve:
    """Passes keys on; while answers are `owing`, what may be one is held until it is whole, and dropped."""

    def __init__(self, owing: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._replies = Replies()
        self._clock = clock
        self._end = clock() + _PATIENCE if owing else 0.0

    def keys(self, data: bytes) -> bytes:
        """The keys in `data`; without data, as a moment has passed, what was held turns into keys."""
        if not data or self._clock() > self._end:
            return self._replies.rest() + data
        replies = self._replies.feed(data)
        return b"".join(reply.raw for reply in replies if not is_answer(reply))
