"""The card beside a study's pictures: what is asked, the answers, and a line for words."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from pasta_core.study.evaluation import Evaluation
from pasta_core.study.guide import Guide
from pasta_core.study.questions import Question
from pasta_tui.widgets.words import bar

__all__ = ["Card", "CardText", "asking", "beginning", "ending"]


@dataclass(frozen=True)
class CardText:
    """What stands on the card, from top to bottom."""

    where: Content | str
    ask: str
    options: Content | str = ""
    hint: str = ""


def beginning(guide: Guide) -> CardText:
    """Before the first question."""
    return CardText("The questions", "\n".join(guide.evaluation), hint="Enter begins.")


def asking(
    share: float, question: Question, ask: str, words: tuple[str, ...], marked: str | None, wide: bool
) -> CardText:
    """A question after this share of all: the `words` of its answers, a line each where it is `wide`."""
    lines = []
    for key, (value, word) in enumerate(zip(question.options, words, strict=True), start=1):
        style = "bold reverse" if value == marked else ""
        lines.append(Content.assemble((f"{key}", "bold $accent"), " ", (word, style)))
    return CardText(
        where=bar(share),
        ask=ask,
        options=Content("\n" if wide else "  ").join(lines),
        hint=_hint(question, marked),
    )


def ending(evaluation: Evaluation) -> CardText:
    """After the last question: what is still open, or thanks."""
    missing = evaluation.missing
    if not missing:
        thanks = "Thank you, everything is answered."
        return CardText(
            "The end", thanks, hint="Enter ends the task; until then, ← leads back to every answer."
        )
    count = "1 question is" if len(missing) == 1 else f"{len(missing)} questions are"
    where = ", ".join(map(str, sorted({question.turn for question in missing})))
    return CardText(
        "The end", f"{count} not answered yet (turn {where}).", hint="Enter goes to the first one."
    )


def _hint(question: Question, marked: str | None) -> str:
    if not question.options:
        return "Enter goes on, also without a word; Escape goes back."
    keys = f"1-{len(question.options)} answers"
    return keys if marked is None else f"{keys}, Enter keeps what is marked"


class Card(Vertical):
    """Shows a question; what is written is submitted as by any `Input`."""

    class Back(Message):
        """The rater wants the question before."""

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static(id="where", markup=False)
        yield Static(id="ask", markup=False)
        yield Static(id="options", markup=False)
        yield _Words(placeholder="your words; Enter goes on", compact=True, id="words")
        yield Static(id="hint", markup=False)

    def show(self, text: CardText) -> None:
        """Show another text."""
        for part in ("where", "ask", "options", "hint"):
            said = getattr(text, part)
            line = self.query_one(f"#{part}", Static)
            line.update(said)
            line.set_class(not said, "empty")

    def write(self, text: str) -> None:
        """Let words be written, from `text` on, unless they are being written."""
        words = self.query_one(_Words)
        if not words.has_focus:
            words.value = text
            words.cursor_position = len(text)
            self.screen.set_focus(words)


class _Words(Input):
    """A line of text from whose beginning the way leads back to the question before."""

    async def _on_key(self, event: events.Key) -> None:
        at_start = (
            event.key in ("left", "backspace") and self.cursor_position == 0 and self.selection.is_empty
        )
        if event.key == "escape" or at_start:
            event.stop()
            event.prevent_default()
            self.post_message(Card.Back())
            return
        await super()._on_key(event)
