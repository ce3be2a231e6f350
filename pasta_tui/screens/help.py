"""What can be done on the screen below, by which key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pasta_tui.screens.above import OVER_BINDINGS, OverScreen
from pasta_tui.widgets.keys import KeyLine, offers

__all__ = ["HelpLine", "HelpScreen", "help_lines"]

_ABOUT = """Every turn you take the column that comes closest to what you have in mind; the next turn \
starts from it. What is finished is kept: quit whenever you like and go on later."""


class HelpLine(NamedTuple):
    """One action: the keys that it has now, and what it does."""

    keys: str
    does: str


def help_lines(screen: Screen[object]) -> list[HelpLine]:
    """What can be done on a screen and in its app, in the order of their bindings."""
    return [HelpLine(" ".join(offer.keys), offer.does) for offer in offers(screen)]


class HelpScreen(OverScreen[None]):
    """Lists keys and what they do."""

    BINDINGS = [
        Binding(
            "escape,question_mark,enter,q",
            "dismiss",
            "Close",
            id="help.close",
            tooltip="Back to where you were.",
        ),
        *OVER_BINDINGS,
    ]

    def __init__(self, lines: Sequence[HelpLine]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        widest = max((len(line.keys) for line in self._lines), default=0)
        rows = [
            Content.assemble((line.keys.rjust(widest), "bold $accent"), f"  {line.does}")
            for line in self._lines
        ]
        with VerticalScroll(id="help"):
            yield Static(_ABOUT, markup=False, classes="about")
            yield Static(Content("\n").join(rows))
        yield KeyLine()

    def on_mount(self) -> None:
        """Say how to leave, and whether there is more."""
        self.query_one("#help").border_title = "Keys"
        self.call_after_refresh(self._frame)

    def on_resize(self) -> None:
        """Another window may show all of it, or no longer."""
        self.call_after_refresh(self._frame)

    def _frame(self) -> None:
        box = self.query_one("#help")
        more = "↑ ↓ for more, " if box.max_scroll_y else ""
        box.border_subtitle = f"{more}Escape closes; pasta.toml changes keys"

    def on_click(self) -> None:
        self.dismiss()
