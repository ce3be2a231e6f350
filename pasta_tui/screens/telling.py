"""A screen on which nothing that goes wrong in the background goes wrong silently."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from textual.screen import Screen
from textual.worker import Worker, WorkerState

from pasta_core.text import clean

__all__ = ["TellingScreen", "unexpected"]

_Result = TypeVar("_Result")


class TellingScreen(Screen[_Result]):
    """Says what a worker of its own did not expect, and goes on."""

    @property
    def working(self) -> bool:
        """Whether models are at work for it, which its action `stop` cancels."""
        return False

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what a key asked for beside the keys, which it would hold up; it outlives the screen."""
        self.app.run_worker(work, group="keys", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Name the error."""
        if event.state is WorkerState.ERROR:
            self.notify(unexpected(event.worker.error), severity="error", markup=False)


def unexpected(error: BaseException | None) -> str:
    """What is said of an error that nobody expected."""
    return clean(f"something went wrong inside pasta ({type(error).__name__}: {error})").text
