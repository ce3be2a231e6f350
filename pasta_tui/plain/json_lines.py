"""A session's events as JSON lines: one per choice and per refusal, and the final one (docs/json.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.events import (
    Chosen,
    Event,
    Finished,
    Rated,
    Refused,
    SessionStarted,
    SlateChosen,
    Swapped,
    TurnReady,
)

__all__ = ["JsonLines"]


class JsonLines:
    """Writes a record for each finished turn; turns that a resumed session only repeats are marked."""

    def __init__(
        self, write: Callable[[Mapping[str, Any]], None], copied: Callable[[], Sequence[Path]]
    ) -> None:
        self._write = write
        self._copied = copied
        self._start: SessionStarted | None = None
        self._ready: TurnReady | None = None
        self._swaps: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        """Take one event."""
        match event:
            case SessionStarted():
                self._start = event
            case SlateChosen():
                self._swaps = []
            case TurnReady():
                self._ready = event
            case Swapped():
                self._swapped(event)
            case Refused():
                self._refused(event)
            case Chosen():
                self._turn(event)
            case Rated():
                self._rating(event)
            case Finished():
                self._final(event)
            case _:
                pass

    def _turn(self, event: Chosen) -> None:
        turn, start = self._ready, self._start
        if turn is None or start is None:
            return
        self._write(
            {
                "event": "turn",
                "session": start.session,
                "turn": event.turn,
                **_shown(turn),
                "choice": event.choice.column,
                "critique": event.choice.critique,
                "replayed": event.replayed,
                "proposal": turn.proposal,
                "swaps": self._swaps,
            }
        )

    def _swapped(self, event: Swapped) -> None:
        turn, column = self._ready, event.swap.column
        if turn is None:
            return
        self._swaps.append(
            {
                "column": column,
                "before": turn.slate.indices[column],
                "after": event.swap.candidate,
                "images": [str(path) for path in turn.paths[column]],
                "sha256": [image.sha256 for image in turn.columns[column]],
            }
        )

    def _refused(self, event: Refused) -> None:
        turn, start = self._ready, self._start
        if turn is None or start is None:
            return
        self._write(
            {
                "event": "refused",
                "session": start.session,
                "turn": event.turn,
                **_shown(turn),
                "critique": event.critique,
                "replayed": event.replayed,
                "proposal": event.proposal,
                "swaps": self._swaps,
            }
        )

    def _rating(self, event: Rated) -> None:
        rating = event.rating
        self._write(
            {
                "event": "rating",
                "session": event.session,
                "turn": event.turn,
                "preferred": rating.preferred,
                "column_scores": list(rating.column_scores),
                "rationale": rating.rationale,
                "comparison": rating.comparison,
                "score": rating.score,
                "replayed": event.replayed,
            }
        )

    def _final(self, event: Finished) -> None:
        start = self._start
        self._write(
            {
                "event": "final",
                "session": event.session,
                "prompt": event.prompt,
                "images": [str(path) for path in event.paths],
                "sha256": [image.sha256 for image in event.images],
                "copies": [str(path) for path in self._copied()],
                "seed": None if start is None else start.seed,
                "profile": None if start is None else start.profile,
                "selector": None if start is None else start.selector,
            }
        )


def _shown(turn: TurnReady) -> dict[str, Any]:
    """What was written and is on the screen."""
    values, everything = turn.slate.values, turn.slate.all_values
    return {
        "candidates": [{"category": it.category, "prompt": it.prompt} for it in turn.candidates],
        "slate": list(turn.slate.indices),
        "values": None if values is None else list(values),
        "all_values": None if everything is None else list(everything),
        "images": [[str(path) for path in column] for column in turn.paths],
        "sha256": [[image.sha256 for image in column] for column in turn.columns],
    }
