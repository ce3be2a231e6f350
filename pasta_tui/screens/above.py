"""A screen above another: work below it can still be stopped, and a key that it does not have says so."""

from __future__ import annotations

from typing import Any, TypeVar

from textual import events
from textual.binding import Binding
from textual.screen import ModalScreen, Screen

from pasta_tui.screens.telling import TellingScreen
from pasta_tui.screens.turn_keys import STOP
from pasta_tui.widgets.keys import offers

__all__ = ["HINT_SECONDS", "OVER_BINDINGS", "AboveScreen", "OverScreen", "idle_key"]

HINT_SECONDS = 3

OVER_BINDINGS = [
    STOP,
    # the app's own, which Textual does not list where a modal screen is shown
    Binding("ctrl+q", "app.quit", "Quit", id="quit", tooltip="Quit at once; everything is kept."),
]
"""What can be done over every screen; named after what is a modal screen's own."""

_Result = TypeVar("_Result")


def idle_key(screen: Screen[Any], event: events.Key) -> str:
    """The character that was typed, if it does nothing on a screen; empty if it does, or is none."""
    typed = event.character if event.is_printable else None
    return "" if typed is None or _bound(screen, event) else typed


def _bound(screen: Screen[Any], event: events.Key) -> bool:
    bindings = screen.active_bindings
    return any(key in bindings and bindings[key].enabled for key in event.aliases)


class AboveScreen(TellingScreen[_Result]):
    """Lets the work of a screen below it be stopped, if it has `STOP`, and says what its keys are."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop where there is work."""
        return self._worker is not None if action == "stop" else super().check_action(action, parameters)

    async def action_stop(self) -> None:
        """Cancel the running work."""
        if (worker := self._worker) is not None:
            await self.app.run_action("stop", worker)

    @property
    def _worker(self) -> TellingScreen[Any] | None:
        """The screen below that has models at work."""
        below = [it for it in self.app.screen_stack if isinstance(it, TellingScreen) and it.working]
        return below[-1] if below else None

    def on_key(self, event: events.Key) -> None:
        """Say of a key that does nothing what does."""
        if event.key == "ctrl+c" and not _bound(self, event):
            self.app.action_help_quit()
        elif key := idle_key(self, event):
            name = key if key.strip() else event.key
            said = f"{name} does nothing here; {self._instead()}"
            self.notify(said, timeout=HINT_SECONDS, markup=False)

    def _instead(self) -> str:
        """What does something: the key that lists the keys, or all of the few that there are."""
        offered = [offer for offer in offers(self) if offer.enabled]
        helps = next((offer.keys[0] for offer in offered if offer.name == "help"), "")
        listed = ", ".join(offer.text for offer in offered if offer.show)
        return f"{helps} lists the keys" if helps else f"what does: {listed}"


class OverScreen(ModalScreen[_Result], AboveScreen[_Result]):
    """Lies over a screen whose keys do nothing then: it has a line of its own with those that do."""
