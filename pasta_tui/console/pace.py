"""Progress of a long job: how much is done, how fast it goes and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from pasta_tui.console.output import Output

__all__ = ["Pace", "time_left"]

EVERY = 10.0
"""Seconds between two lines where a line cannot be rewritten."""


def time_left(seconds: float) -> str:
    """m:ss, or h:mm:ss from an hour on."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"


class Pace:
    """Says done/total, rate and time left; what was done before this run does not count for the rate."""

    def __init__(self, out: Output, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._what = what
        self._clock = clock
        self._first: tuple[int, float] | None = None
        self._said: float | None = None

    def report(self, done: int, total: int) -> None:
        """Take one report."""
        now = self._clock()
        if self._first is None:
            self._first = done, now
        line = f"{done}/{total} {self._what}" + self._rate(done, total, now)
        if self._out.terminal.cursor:
            self._out.progress(line)
        elif self._said is None or now - self._said >= EVERY or done == total:
            self._said = now
            self._out.message(line)

    def _rate(self, done: int, total: int, now: float) -> str:
        assert self._first is not None
        made, took = done - self._first[0], now - self._first[1]
        if made <= 0 or took <= 0:
            return ""
        left = time_left((total - done) * took / made)
        rate = made / took
        return f"  {rate:.2f}/s  {left} left" if rate < 10 else f"  {rate:.0f}/s  {left} left"
