"""What a rater reads before a study begins (App. B.1, Fig. 8), and where the initial prompt is typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from pasta_core.study.guide import Guide
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import StartRequest
from pasta_tui.widgets.keys import KeyLine

__all__ = ["StudyScreen", "StudyStartScreen"]


class StudyScreen(Screen[bool]):
    """The instructions; True once they are read, False if the rater leaves instead."""

    CSS_PATH = "study.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done(True)", "Go on", id="study.go-on", tooltip="Go on."),
        Binding("up", "scroll(-1)", "Up", id="study.up", show=False, tooltip="Read what is above."),
        Binding("down", "scroll(1)", "Down", id="study.down", show=False, tooltip="Read on."),
        Binding("escape", "done(False)", "Back", id="study.back", tooltip="Back to where you were."),
    ]

    def __init__(self, guide: Guide) -> None:
        super().__init__()
        self._guide = guide

    def compose(self) -> ComposeResult:
        """One page, which scrolls where it is longer than the window."""
        with VerticalScroll(id="page", can_focus=False), Vertical(id="told"):
            yield from _told(self._guide)
        yield KeyLine()

    def action_done(self, read: bool) -> None:
        """To the session; the first Enter of a page that is longer than the window reads on."""
        page = self.query_one("#page", VerticalScroll)
        if read and page.scroll_offset.y < page.max_scroll_y:
            page.scroll_page_down(animate=False)
        else:
            self.dismiss(read)

    def action_scroll(self, lines: int) -> None:
        """Read on, or again."""
        self.query_one("#page", VerticalScroll).scroll_relative(y=lines, animate=False)


class StudyStartScreen(Screen[StartRequest | None]):
    """Asks for the initial prompt, with the guidelines for it; None means that the rater leaves."""

    CSS_PATH = "study.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="study.leave", tooltip="Leave; nothing has begun yet."),
    ]

    def __init__(self, guide: Guide, vocabulary: frozenset[str] = frozenset(), models: str = "") -> None:
        super().__init__()
        self._guide = guide
        self._vocabulary = vocabulary
        self._models = models

    def compose(self) -> ComposeResult:
        """The guidelines over the field."""
        with VerticalScroll(id="page", can_focus=False), Vertical(id="told"):
            yield Static("Your picture", markup=False, classes="title")
            for text in self._guide.prompt:
                yield Static(text, markup=False)
            yield Static("What do you want to see?", id="asked", markup=False)
            yield PromptEntry(self._guide.words, placeholder="a particular picture; Enter begins")
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin to type at once."""
        entry = self.query_one(PromptEntry)
        entry.limit(self._guide.words, self._vocabulary, self._models)
        entry.area.focus()

    def action_leave(self) -> None:
        """Leave."""
        self.dismiss(None)

    @on(PromptEntry.Submitted)
    def _begin(self, event: PromptEntry.Submitted) -> None:
        self.dismiss(StartRequest(prompt=event.prompt))


def _told(guide: Guide) -> Iterator[Widget]:
    yield Static(guide.title, markup=False, classes="title")
    for text in (*guide.task, *guide.choosing):
        yield Static(text, markup=False, classes="paragraph")
    yield Static(guide.figure, markup=False, classes="figure")
    for text in (guide.figure_caption, *guide.critique):
        yield Static(text, markup=False, classes="paragraph")
