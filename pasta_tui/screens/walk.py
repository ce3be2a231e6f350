"""A past session, turn by turn: its slates, what was chosen, and what was said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.text import clean
from pasta_tui.archive import turn_views, with_images
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.session_state import SessionView
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.fit import Place, moved
from pasta_tui.widgets.keys import KeyLine
from pasta_tui.widgets.slate import Slate, Thumbnail

__all__ = ["WalkScreen"]

_ARROWS = Binding.Group("Select", compact=True)


class WalkScreen(TellingScreen[None]):
    """Shows the turns of a session for reading; nothing can be changed here."""

    CSS_PATH = "browse.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "pagedown,space,n",
            "turn(1)",
            "Next turn",
            id="walk.next",
            key_display="n",
            tooltip="The next turn.",
        ),
        Binding(
            "pageup,b",
            "turn(-1)",
            "Turn before",
            id="walk.before",
            key_display="b",
            tooltip="The turn before.",
        ),
        *[
            Binding(
                name.lower(),
                f"move({dx}, {dy})",
                name,
                id=f"walk.{name.lower()}",
                tooltip="Select another image, to read its prompt.",
                group=_ARROWS,
            )
            for name, dx, dy in (("Left", -1, 0), ("Right", 1, 0), ("Up", 0, -1), ("Down", 0, 1))
        ],
        Binding("p", "prompts", "Prompts", id="walk.prompts", tooltip="Show or hide prompts and categories."),
        Binding("escape,q", "leave", "Back", id="walk.back", key_display="esc", tooltip="Back to the list."),
    ]

    def __init__(self, info: SessionInfo, turns: Sequence[StoredTurn], graphics: Graphics) -> None:
        super().__init__()
        self._info = info
        self._stored = {turn.number: turn for turn in turns}
        self._views = turn_views(info, turns)
        self._at = max(0, len(self._views) - 1)
        self._place = Place()
        self._texts = True
        settings = info.made_of.settings
        self._slate = Slate(graphics, settings.columns, settings.images)

    def compose(self) -> ComposeResult:
        """The idea and the turn over the slate, what was chosen below it."""
        with Horizontal(id="head"):
            yield Static(clean(self._info.made_of.prompt).text, id="prompt", markup=False)
            yield Static(id="turn", markup=False)
        yield self._slate
        yield Static(id="choice", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin where the session stands."""
        self._go(self._at)

    def action_turn(self, step: int) -> None:
        """Go to another turn, not beyond the first and the last."""
        self._go(min(max(self._at + step, 0), len(self._views) - 1))

    def action_move(self, dx: int, dy: int) -> None:
        """Select another image."""
        if self._views:
            view = self._views[self._at]
            columns, images = len(view.columns), view.settings.images
            self._select(moved(self._place, columns, images, self._slate.shape.across, dx, dy))

    def action_prompts(self) -> None:
        """Show or hide prompts."""
        self._texts = not self._texts
        self._show()

    def action_leave(self) -> None:
        """Back to where it was opened from."""
        self.dismiss(None)

    def on_thumbnail_picked(self, event: Thumbnail.Picked) -> None:
        """A click selects."""
        self._select(event.place)

    def _select(self, place: Place) -> None:
        self._place = place
        self._show()

    def _go(self, at: int) -> None:
        if not self._views:
            self.query_one("#choice", Static).update("nothing has been painted yet")
            return
        self._at = at
        self._place = Place(self._views[at].chosen or 0)
        self._show()
        self.run_worker(self._paint(at), group="paint", exclusive=True, exit_on_error=False)

    async def _paint(self, at: int) -> None:
        view = self._views[at]
        if view.painted < view.images:
            painted = await asyncio.to_thread(with_images, view, self._stored[view.shown])
            self._views = (*self._views[:at], painted, *self._views[at + 1 :])
        self._show()

    def _show(self) -> None:
        if not self._views:
            return
        view = self._views[self._at]
        name = f"turn {view.shown} of {view.settings.turns}" if view.shown else "your words"
        self.query_one("#turn", Static).update(name)
        self._slate.show(view, self._place, self._texts)
        self.query_one("#choice", Static).update(_choice(view))


def _choice(view: SessionView) -> str:
    """What was chosen at a turn, and the critique."""
    if not view.shown:
        return "how the initial prompt looked"
    if view.chosen is None:
        return "not chosen yet"
    critique = next((step.critique for step in view.way if step.turn == view.shown), "")
    return f"column {view.chosen + 1} was chosen" + (f": “{critique}”" if critique else "")
