"""The start screen: a prompt, examples of what the profile can paint, and sessions to go on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.screen import Screen

from pasta_tui.screens.requests import StartRequest

if TYPE_CHECKING:
    from pasta_core.sessions.records import SessionInfo

__all__ = ["StartFacts", "StartScreen"]


@dataclass(frozen=True)
class StartFacts:
    """What the start screen says before anything is read from the store.

    `examples` are prompts that the profile can paint, `needs` one line on what it runs on.
    """

    profile: str
    description: str
    max_words: int
    examples: tuple[str, ...] = ()
    needs: str = ""


class StartScreen(Screen[StartRequest | None]):
    """Asks what to begin or to go on with; None means that the person wants to leave.

    `recent` reads the sessions, the latest first, in a thread, after the first paint.
    """

    def __init__(
        self,
        facts: StartFacts,
        recent: Callable[[], Sequence[SessionInfo]],
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._facts = facts
        self._recent = recent
        self._clock = clock
