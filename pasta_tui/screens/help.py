"""What can be done on the screen below, by which key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

__all__ = ["HelpLine", "HelpScreen", "help_lines"]

_ABOUT = """Every turn a language model writes prompts, some of them are painted, and you take the column \
that comes closest to what you have in mind. The next turn starts from it. What is finished is kept; \
quit whenever you like and go on later."""


class HelpLine(NamedTuple):
    """One action: the keys that it has now, and what it does."""

    keys: str
    does: str


def help_lines(screen: Screen[object]) -> list[HelpLine]:
    """The actions of a screen and of its app, in the order of their bindings."""
    keys: dict[str, list[str]] = {}
    does: dict[str, str] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.system or not (active.tooltip or binding.tooltip):
            continue
        name = binding.id or binding.action
        keys.setdefault(name, []).append(screen.app.get_key_display(binding))
        does[name] = active.tooltip or binding.tooltip
    return [HelpLine(" ".join(dict.fromkeys(keys[name])), does[name]) for name in keys]


class HelpScreen(ModalScreen[None]):
    """Lists keys and what they do."""

    BINDINGS = [Binding("escape,question_mark,enter,q", "dismiss", "Close", id="help.close")]

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
            yield Static("Escape closes this. Keys can be changed in pasta.toml, below [keys].", markup=False)

    def on_click(self) -> None:
        self.dismiss()
