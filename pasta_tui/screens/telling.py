"""A screen on which nothing that goes wrong in the background goes wrong silently."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import Screen
from textual.worker import Worker, WorkerState

__all__ = ["TellingScreen"]

_Result = TypeVar("_Result")


class TellingScreen(Screen[_Result]):
    """Says what a worker of its own did not expect, and goes on."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Name the error."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.notify(
                f"something went wrong inside pasta ({type(error).__name__}: {error})",
                severity="error",
                markup=False,
            )
