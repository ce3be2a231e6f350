"""What is painted together: jobs, and the watch that the passes of one call share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pasta_core.domain import Progress
from pasta_core.errors import Cancelled

__all__ = ["Job", "Watch", "jobs_of"]


@dataclass(frozen=True)
class Job:
    """One image to paint, and its place."""

    column: int
    index: int
    prompt: str
    seed: int

    @property
    def name(self) -> str:
        """What a person calls it; columns and images count from 1."""
        return f"column {self.column + 1}, image {self.index + 1} (seed {self.seed})"


def jobs_of(prompts: Sequence[str], seeds: Sequence[Sequence[int]]) -> list[Job]:
    """A job for every seed of every prompt, in slate order."""
    return [
        Job(column, index, prompt, seed)
        for column, (prompt, column_seeds) in enumerate(zip(prompts, seeds, strict=True))
        for index, seed in enumerate(column_seeds)
    ]


class Watch:
    """What the passes of one attempt share: whether to go on, and how many steps are done of all."""

    def __init__(
        self, steps: int, should_stop: Callable[[], bool], progress: Progress, done: int = 0
    ) -> None:
        """`steps` are still to do, `done` were done by an attempt before."""
        self._total = done + steps
        self._should_stop = should_stop
        self._progress = progress
        self._abandoned = False
        self._lock = threading.Lock()
        self.done = done
        self.out_of_room = False
        """A pass did not fit in memory, so none need begin that has not."""

    def abandon(self) -> None:
        """Stop the passes that still run: nobody waits for them."""
        self._abandoned = True

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more."""
        return self._abandoned

    def check(self) -> None:
        """Raise `Cancelled` if the attempt is to end."""
        if self._abandoned or self._should_stop():
            raise Cancelled("painting was stopped")

    def step(self, counted: bool) -> None:
        """Count a finished step, then look whether to go on."""
        with self._lock:
            if counted and not self._abandoned:
                self.done += 1
                self._progress(self.done, self._total)
        self.check()
