"""The turn: the slate, what is happening, the way here, and everything that can be done with them."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from pasta_core.domain import Answer, Choice, NoneOfThese, Swap
from pasta_core.errors import InvalidInput
from pasta_core.sessions.insight import Insight
from pasta_core.text import CRITIQUE_WORDS, clean, clean_critique, count_words, told
from pasta_tui.keep import Keeper
from pasta_tui.screens.above import HINT_SECONDS, AboveScreen, idle_key
from pasta_tui.screens.others import OthersScreen
from pasta_tui.screens.turn_insight import InsightScreen
from pasta_tui.screens.turn_keys import TURN_BINDINGS
from pasta_tui.screens.turn_works import instead, works
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.session_state import SessionView, Stage, doing
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.belief import BeliefPanel
from pasta_tui.widgets.fit import Place, moved
from pasta_tui.widgets.keys import KeyLine, key_of
from pasta_tui.widgets.slate import Slate, Thumbnail
from pasta_tui.widgets.waiting import Waiting
from pasta_tui.widgets.words import status, turn_name, way_lines

__all__ = ["TurnScreen"]

_WIDE = 64
"""Cells from which there is room for hints beside what is typed."""
_HIGH = 16
"""Lines from which there is room to say that there is nothing to say."""


class TurnScreen(InsightScreen):
    """Shows a session as it is played, and tells the app what the person wants of it."""

    AUTO_FOCUS = ""
    BINDINGS = [*TURN_BINDINGS]

    class Took(Message):
        """The person chose, or said what else shall become of the slate."""

        def __init__(self, answer: Answer) -> None:
            super().__init__()
            self.answer = answer

    class Stop(Message):
        """Cancel the running work."""

    class GoOn(Message):
        """Take up again what was stopped or has failed."""

    def __init__(self, view: SessionView, graphics: Graphics, keeper: Keeper) -> None:
        super().__init__()
        self._view = view
        self._graphics = graphics
        self._keeper = keeper
        self._rater = ""
        self._selected = (0, 0, Place())
        self._texts = True
        self._said = (0, "")
        self._due = False
        self._slate: Slate | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Static(id="prompt", markup=False)
            yield Static(id="turn", markup=False)
        yield Static(id="way", markup=False)
        with Horizontal(id="middle"):
            with Container(id="table"):
                yield Waiting(self._view.settings, self._graphics.unicode)
            yield BeliefPanel("beside")
        yield Static(id="status", markup=False)
        with Horizontal(id="critique"):
            yield Input(placeholder="what should change?", compact=True, id="words")
            yield Static(id="count", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def on_screen_suspend(self) -> None:
        self._tell()

    def on_screen_resume(self) -> None:
        self._tell()

    # what there is to see

    @property
    def working(self) -> bool:
        """Whether there is something to stop."""
        return self._view.working

    async def begin(self, view: SessionView, rater: str, insight: Insight | None = None) -> None:
        """Show a session that has just been opened; `rater` chooses in it, if it is not empty."""
        self._rater, self.insight = rater, insight
        self._slate = Slate(self._graphics, view.settings.columns, view.settings.images)
        # Beside what is said meanwhile it would be laid out in no room at all.
        self._slate.display = False
        await self.query_one("#table").mount(self._slate)
        self.take(view)

    def take(self, view: SessionView) -> None:
        """Show a view, as soon as the events that are at hand have been folded into it."""
        self._view = view
        if not self._due:
            self._due = True
            self.call_later(self._show)

    # Both are kept with the turn that they are for: going on after a stop tells all turns once more.

    @property
    def _place(self) -> Place:
        """What is selected of the shown slate."""
        *slate, place = self._selected
        view = self._view
        here = slate == [view.shown, view.shown_proposal] and place.column < len(view.columns)
        return place if here else Place()

    @property
    def _critique(self) -> str:
        """What goes with the next answer; what was said with a refusal still holds for the choice."""
        turn, words = self._said
        return words if turn == self._choosing else self._view.refused_for

    @property
    def _choosing(self) -> int:
        """The turn of the next choice."""
        return len(self._view.way) + 1

    def _show(self) -> None:
        self._due = False
        if not self.is_mounted:
            return
        view, width = self._view, self.size.width
        with self.app.batch_update():
            self.query_one("#prompt", Static).update(f"“{view.prompt}”" if view.prompt else "")
            self.query_one("#turn", Static).update(turn_name(view))
            way = self.query_one("#way", Static)
            way.display = bool(view.way) or self.size.height >= _HIGH
            way.update("\n".join(way_lines(view, width - 2, self._way_rows())))
            waits = view.working and not view.columns
            self.query_one(Waiting).wait_for(doing(view) if waits else "")
            if self._slate is not None:
                self._slate.display = not waits
                self._slate.show(view, self._place, self._texts)
            self._tell()
            self.follow()
            self.refresh_bindings()
        for screen in self.app.screen_stack:
            if isinstance(screen, ZoomScreen):
                screen.take(view)
            if isinstance(screen, AboveScreen):
                screen.refresh_bindings()

    def _tell(self) -> None:
        """Say what is happening, and by which key it goes on unless what lies over this screen has it."""
        if not self.is_mounted:
            return
        take = key_of(self, "turn.take", "Enter") if self.app.screen is self else ""
        line = status(self._view, self._place.column, self._critique, take, self._rater)
        self.query_one("#status", Static).update(line)

    def _way_rows(self) -> int:
        """Lines for the way here: one in a small window, all of it in a large one."""
        return max(1, min(self._view.settings.turns - 1, (self.size.height - 22) // 3 + 1, 6))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what makes no sense now (False), grey out what must wait (None)."""
        if action in ("belief", "why") and self.insight is None:
            return False
        if action == "critique" and self.has_class("critiquing"):
            return False
        return works(action, parameters, self._view, bool(self._rater))

    def on_key(self, event: events.Key) -> None:
        """Say of a key that does nothing what would work."""
        if key := idle_key(self, event):
            keys = key_of(self, "quit", "Ctrl-Q"), key_of(self, "help", "?")
            said = instead(key, self._view, bool(self._rater), *keys)
            self.notify(said, timeout=HINT_SECONDS, markup=False)

    # choosing

    def action_column(self, number: int) -> None:
        """Select a column (1-based)."""
        self._select(Place(number - 1, self._place.image))

    def action_move(self, dx: int, dy: int) -> None:
        """Select a neighbour."""
        if self._slate is not None and (columns := self._view.columns):
            across = self._slate.shape.across
            self._select(moved(self._place, len(columns), self._view.settings.images, across, dx, dy))

    def on_thumbnail_picked(self, event: Thumbnail.Picked) -> None:
        """A click selects, a double click zooms."""
        self._select(event.place)
        if event.twice:
            self.run_worker(self.run_action("zoom"))

    def _select(self, place: Place) -> None:
        self._selected = (self._view.shown, self._view.shown_proposal, place)
        self._show()

    def action_take(self) -> None:
        """Take the selected column, or go on after a stop."""
        if self._view.halted:
            self.action_go_on()
        elif self._view.stage is Stage.ASKING:
            self.post_message(self.Took(Choice(self._place.column, self._critique)))

    def action_none(self) -> None:
        """Refuse the whole slate."""
        if self._view.stage is Stage.ASKING:
            self.post_message(self.Took(NoneOfThese(self._critique)))

    def action_others(self) -> None:
        """Choose a candidate that is not shown for the selected column."""
        if self._view.others:
            self.app.push_screen(OthersScreen(self._view, self._place.column), self._swap)

    def _swap(self, swap: Swap | None) -> None:
        if swap is not None:
            self._select(Place(swap.column))
            self.post_message(self.Took(swap))

    def action_stop(self) -> None:
        """Cancel the running work."""
        self.post_message(self.Stop())

    def action_go_on(self) -> None:
        """Take up again what was stopped or has failed."""
        self.post_message(self.GoOn())

    # critique

    def action_critique(self) -> None:
        """Ask what should change."""
        self.add_class("critiquing")
        words = self.query_one("#words", Input)
        words.value = self._critique
        self.set_focus(words)
        self._count(words.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Count words while they are typed."""
        self._count(event.value)

    def _count(self, text: str) -> None:
        words = count_words(clean(text).text)
        label = self.query_one("#count", Static)
        keys = " words  Enter keeps it, Escape does not" if self.size.width >= _WIDE else ""
        label.update(f"{words}/{CRITIQUE_WORDS}{keys}")
        label.set_class(words > CRITIQUE_WORDS, "over")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the critique for the choice, if it is short enough."""
        try:
            self._said = (self._choosing, clean_critique(event.value))
        except InvalidInput as error:
            self.notify(told(error), severity="warning", markup=False)
            return
        self.app.clear_notifications()
        self._end_critique()

    def key_escape(self) -> None:
        """Leave the critique as it was."""
        self._end_critique()

    def _end_critique(self) -> None:
        self.remove_class("critiquing")
        self.set_focus(None)
        self._show()

    # looking closer, and keeping

    async def action_zoom(self) -> None:
        """Show the selected image on the whole screen."""
        zoom = ZoomScreen(self._view, self._place, self._graphics, self._keeper, self._texts)
        self.app.push_screen(zoom, self._zoomed)

    def _zoomed(self, place: Place | None) -> None:
        if place is not None and place.column < len(self._view.columns):
            self._select(place)

    def action_why(self) -> None:
        """Say why these columns are shown."""
        self.explain(self._place.column)

    def action_prompts(self) -> None:
        """Show or hide prompts and categories."""
        self._texts = not self._texts
        self._show()

    def action_save(self) -> None:
        """Copy the selected image."""
        self.do(self._keeper.save(self._view, [self._path()]))

    def action_save_column(self) -> None:
        """Copy the selected column."""
        self.do(self._keeper.save(self._view, self._view.columns[self._place.column].paths))

    def action_sheet(self) -> None:
        """Write the slate as one picture."""
        self.do(self._keeper.sheet(self._view))

    def action_open(self) -> None:
        """Open the selected image in a viewer."""
        self.do(self._keeper.open(self._path()))

    def _path(self) -> Path | None:
        return self._view.columns[self._place.column].paths[self._place.image]
