"""Past sessions: found by text and date, looked at, gone on with, starred and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from pasta_core.errors import PastaError
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.store import Store
from pasta_core.text import clean, told
from pasta_tui.archive import Archive
from pasta_tui.screens.question import Question
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.session_filter import FilterLine
from pasta_tui.screens.session_preview import SessionPreview
from pasta_tui.screens.start import session_line
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.screens.walk import WalkScreen
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.viewer import open_outside
from pasta_tui.widgets.keys import KeyLine

__all__ = ["BrowseScreen"]

_MOST = 500
"""Sessions in the list; more are found by narrowing it."""
_WIDE = 110
"""Cells from which the list and the selected session stand side by side."""
_PAUSE = 0.15
"""Seconds after a key before the store is asked."""


class SessionList(OptionList):
    """The sessions that were found; Enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", id="browse.open", tooltip="Look through the session's turns.")
    ]


class BrowseScreen(TellingScreen[StartRequest | None]):
    """Looks through past sessions; hands back the one to go on with, None if there is none."""

    CSS_PATH = "browse.tcss"
    AUTO_FOCUS = "#sessions"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "resume", "Go on", id="browse.resume", tooltip="Go on with the session."),
        Binding("s", "star", "Star", id="browse.star", tooltip="Star the session, or take its star away."),
        Binding("x", "sheet", "Sheet", id="browse.sheet", tooltip="Draw the session as a contact sheet."),
        Binding("f", "folder", "Folder", id="browse.folder", show=False, tooltip="Open its images' folder."),
        Binding("d", "delete", "Delete", id="browse.delete", tooltip="Delete the session, after a question."),
        # Priority: the words may be typed before the key has gone its way, and must not be taken for keys.
        Binding(
            "slash",
            "filter",
            "Filter",
            id="browse.filter",
            tooltip="Find sessions by words and dates.",
            priority=True,
        ),
        Binding(
            "asterisk",
            "starred",
            "Starred",
            id="browse.starred",
            show=False,
            tooltip="Only starred sessions, or all.",
        ),
        Binding("escape,q", "back", "Back", id="browse.back", tooltip="Back to the list, then out."),
    ]

    def __init__(
        self,
        archive: Archive,
        graphics: Graphics,
        clock: Callable[[], datetime],
        target: Callable[[], Path] = Path.cwd,
    ) -> None:
        """`target` makes the folder that contact sheets are drawn into."""
        super().__init__()
        self._target = target
        self._archive = archive
        self._graphics = graphics
        self._clock = clock
        self._sessions: tuple[SessionInfo, ...] = ()
        self._filter = FilterLine(id="filter")

    def compose(self) -> ComposeResult:
        """The filter over the list, and beside or below it the selected session."""
        yield self._filter
        yield Static(id="problem", markup=False)
        yield Static(id="nothing", markup=False)
        with Container(id="body"):
            yield SessionList(id="sessions", compact=True)
            yield SessionPreview(self._archive, self._graphics)
        yield KeyLine()

    def on_mount(self) -> None:
        """Read the list."""
        self._reload()

    def on_resize(self) -> None:
        """Side by side, or one below the other."""
        self.set_class(self.size.width >= _WIDE, "wide")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with the selected session."""
        if action in ("resume", "star", "sheet", "folder", "delete"):
            return self._selected is not None
        if action == "filter":
            return not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    @property
    def _selected(self) -> SessionInfo | None:
        at = self.query_one("#sessions", OptionList).highlighted if self.is_mounted else None
        return self._sessions[at] if at is not None and at < len(self._sessions) else None

    # the filter and the list

    @on(Input.Changed)
    def _typed(self) -> None:
        self._reload(_PAUSE)

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one("#sessions").focus()

    def action_filter(self) -> None:
        """Into the filter."""
        self.set_focus(self.query_one("#text"))

    def action_starred(self) -> None:
        """Starred sessions only, or all."""
        self._filter.starred = not self._filter.starred
        self._reload()

    def action_back(self) -> None:
        """From the filter to the list, from the list out."""
        sessions = self.query_one("#sessions")
        if not self._sessions and self._filter.narrowed:
            self._filter.clear()
            sessions.focus()
            self._reload()
        elif self.focused is sessions or not self._sessions:
            self.dismiss(None)
        else:
            sessions.focus()

    def _reload(self, pause: float = 0.0) -> None:
        self.run_worker(self._load(pause), group="list", exclusive=True, exit_on_error=False)

    async def _load(self, pause: float) -> None:
        if pause:
            await asyncio.sleep(pause)
        try:
            wanted = self._filter.wanted(self._clock())
            sessions = await asyncio.to_thread(self._archive.sessions, wanted)
        except PastaError as error:
            self._say_problem(told(error))
        else:
            self._say_problem("")
            self._list(sessions)

    def _list(self, sessions: tuple[SessionInfo, ...]) -> None:
        before = self._selected
        self._sessions = sessions[:_MOST]
        now = self._clock()
        options = self.query_one("#sessions", OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            options.clear_options()
            options.add_options([Option(session_line(info, now)) for info in self._sessions])
            ids = [info.id for info in self._sessions]
            at = ids.index(before.id) if before is not None and before.id in ids else 0
            options.highlighted = at if ids else None
        self._filter.tell(len(sessions), _MOST)
        nothing = self.query_one("#nothing", Static)
        nothing.display = not sessions
        nothing.update(
            "No session matches. Escape shows all again, / changes the filter."
            if self._filter.narrowed
            else "There are no sessions yet; your first one will stand here."
        )
        self._preview()

    def _say_problem(self, text: str) -> None:
        problem = self.query_one("#problem", Static)
        problem.update(Content(text))
        problem.display = bool(text)

    # the selected session

    @on(OptionList.OptionHighlighted, "#sessions")
    def _preview(self) -> None:
        self.refresh_bindings()
        self.query_one(SessionPreview).show(self._selected)

    @on(OptionList.OptionSelected, "#sessions")
    def _opened(self) -> None:
        if (info := self._selected) is not None:
            self.do(self._open(info))

    async def _open(self, info: SessionInfo) -> None:
        try:
            turns = await asyncio.to_thread(self._archive.turns, info.id)
        except PastaError as error:
            self._complain(error)
            return
        if self.is_current:
            self.app.push_screen(WalkScreen(info, turns, self._graphics))

    def action_resume(self) -> None:
        """Go on with the selected session."""
        if (info := self._selected) is not None:
            self.dismiss(StartRequest(resume=info.id))

    def action_star(self) -> None:
        """Star the selected session, or take its star away."""
        if (info := self._selected) is not None:
            self.do(self._change(lambda store: store.star(info.id, not info.starred)))

    def action_sheet(self) -> None:
        """Draw the selected session as one picture."""
        if (info := self._selected) is not None:
            self.do(self._draw(info))

    async def _draw(self, info: SessionInfo) -> None:
        try:
            path = await asyncio.to_thread(lambda: self._archive.sheet(info, self._target()))
        except PastaError as error:
            self._complain(error)
        else:
            self.notify(clean(f"the contact sheet is {path}").text, markup=False)

    def action_folder(self) -> None:
        """Open the folder that the selected session's images lie in."""
        if (info := self._selected) is not None:
            self.do(self._open_folder(info))

    async def _open_folder(self, info: SessionInfo) -> None:
        try:
            folder = await asyncio.to_thread(self._archive.directory, info.id)
        except PastaError as error:
            self._complain(error)
        else:
            if complaint := await open_outside(folder):
                self.notify(clean(complaint).text, severity="warning", markup=False)

    def action_delete(self) -> None:
        """Delete the selected session, if that is meant."""
        if (info := self._selected) is None:
            return
        question = Question(
            f"Delete session {info.id} with all its images, for good?\n\n{clean(info.made_of.prompt).text}",
            "delete it",
            "keep it",
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.do(self._change(lambda store: store.delete(info.id)))

        self.app.push_screen(question, answered)

    async def _change(self, change: Callable[[Store], None]) -> None:
        def work(store: Store) -> None:
            with store:
                change(store)

        try:
            store = await asyncio.to_thread(self._archive.store)
            try:
                await asyncio.to_thread(work, store)
            except asyncio.CancelledError:
                # Whoever leaves meanwhile does not wait for another process that has locked it.
                store.close()
                raise
        except PastaError as error:
            self._complain(error)
        if self.is_attached:
            self._reload()

    def _complain(self, error: PastaError) -> None:
        self.notify(told(error), severity="error", markup=False)
