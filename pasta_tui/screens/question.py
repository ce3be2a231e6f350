"""A question that only a plain yes answers with yes."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from pasta_tui.screens.above import OVER_BINDINGS, OverScreen
from pasta_tui.widgets.keys import KeyLine, key_of

__all__ = ["Question"]


class Question(OverScreen[bool]):
    """Asks a yes-or-no question over the screen below; `y` is yes, `n` and Escape are no."""

    DEFAULT_CSS = """
    Question { align: center middle; background: $background 60%; }
    Question #question {
        width: 64; max-width: 100%; height: auto; max-height: 90%; padding: 1 2; background: $surface;
        border: round $error;
    }
    Question #answers { margin-top: 1; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="question.yes", tooltip="Do it."),
        Binding("n,escape", "answer(False)", "No", id="question.no", tooltip="Leave everything as it is."),
        *OVER_BINDINGS,
    ]

    def __init__(self, question: str, yes: str, no: str) -> None:
        super().__init__()
        self._question = question
        self._answers = (("question.yes", "y", yes), ("question.no", "n", no))

    def compose(self) -> ComposeResult:
        """The question over its answers."""
        with Vertical(id="question"):
            yield Static(self._question, markup=False)
            yield Static(id="answers", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Name the keys as they are set."""
        keys = [f"{key_of(self, name, key)}  {answer}" for name, key, answer in self._answers]
        self.query_one("#answers", Static).update("     ".join(keys))

    def action_answer(self, answer: bool) -> None:
        """Hand the answer back."""
        self.dismiss(answer)
