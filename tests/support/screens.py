"""Shows one screen alone, and remembers what it handed back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import Screen

from pasta_tui.screens.requests import StartRequest

__all__ = ["Host", "OtherScreen", "on_screen", "settled"]


class OtherScreen(Screen[StartRequest | None]):
    """Stands where past sessions are looked through: `x` goes on with one of them, `n` with none."""

    BINDINGS = [Binding("x", "found"), Binding("n", "nothing")]

    def action_found(self) -> None:
        self.dismiss(StartRequest(resume="20261123-zzzz"))

    def action_nothing(self) -> None:
        self.dismiss(None)


class Host(App[None]):
    """An app of one screen."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._shown = screen
        self.handed_back: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._shown, self.handed_back.append)

    @property
    def text(self) -> str:
        """What the screen shows, as plain lines."""
        return "\n".join(
            "".join(segment.text for segment in strip) for strip in self.screen._compositor.render_strips()
        )


def on_screen(
    make: Callable[[], Screen[Any]],
    steps: Callable[[Host, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> list[Any]:
    """Show a screen, do some steps on it, and return what it handed back."""

    async def run() -> list[Any]:
        host = Host(make())
        async with host.run_test(size=size) as pilot:
            await settled(pilot)
            await steps(host, pilot)
        return host.handed_back

    return asyncio.run(run())


async def settled(pilot: Pilot[None]) -> None:
    """Wait until the screen has nothing left to do."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
