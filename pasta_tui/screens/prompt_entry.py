"""Where a prompt is typed: it wraps, its words are counted, and what is wrong with it is said in place."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from pasta_core.errors import InvalidInput
from pasta_core.text import clean, clean_prompt, count_words, told
from pasta_core.vocabulary import unknown_words

__all__ = ["PromptEntry"]


class _Area(TextArea):
    """A text area in which Enter submits, and whose arrows lead on to the fields around it."""

    @dataclass
    class Entered(Message):
        """Enter was pressed."""

        text: str

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Entered(self.text))
            return
        await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        if pasted := self._replace_via_keyboard(clean(event.text).text, *self.selection):
            self.move_cursor(pasted.end_location)

    def action_cursor_down(self, select: bool = False) -> None:
        if not select and self.navigator.is_last_wrapped_line(self.cursor_location):
            self.screen.focus_next()
        else:
            super().action_cursor_down(select)


class PromptEntry(Vertical):
    """A prompt of at most `max_words` words; Enter posts `Submitted` once it can begin a session."""

    DEFAULT_CSS = """
    PromptEntry { height: auto; }
    PromptEntry TextArea { height: auto; min-height: 3; max-height: 7; }
    PromptEntry .status {
        color: $text-muted; padding: 0 1; height: 1; text-overflow: ellipsis; text-wrap: nowrap;
    }
    PromptEntry .status.-wrong { color: $text-error; }
    """

    @dataclass
    class Submitted(Message):
        """A prompt that can begin a session, clean and short enough."""

        prompt: str

    def __init__(
        self,
        max_words: int,
        *,
        text: str = "",
        placeholder: str = "",
        name: str | None = None,
        id: str | None = None,  # noqa: A002  Textual's own name
    ) -> None:
        super().__init__(name=name, id=id)
        self._max_words = max_words
        self._first = clean(text).text
        self._placeholder = clean(placeholder).text
        self._vocabulary: frozenset[str] = frozenset()
        self._models = ""

    def compose(self) -> ComposeResult:
        """The area and the line below it."""
        yield _Area(
            self._first, placeholder=Content(self._placeholder), highlight_cursor_line=False, id="prompt"
        )
        yield Static("", classes="status", markup=False)

    def on_mount(self) -> None:
        """Say how long the prompt may become."""
        self.area.move_cursor(self.area.document.end)
        self._count()

    @property
    def area(self) -> TextArea:
        """What is typed into."""
        return self.query_one(_Area)

    @property
    def text(self) -> str:
        """What has been typed."""
        return self.area.text

    @text.setter
    def text(self, text: str) -> None:
        self.area.load_text(clean(text).text)
        self.area.move_cursor(self.area.document.end)

    def limit(self, max_words: int, vocabulary: frozenset[str] = frozenset(), models: str = "") -> None:
        """Count against another limit, and name the words that `models` have never seen."""
        self._max_words, self._vocabulary, self._models = max_words, vocabulary, models
        if self.is_mounted:
            self._count()

    @on(TextArea.Changed)
    def _count(self) -> None:
        text = clean(self.text).text
        words = count_words(text)
        said = f"{words} of {self._max_words} words"
        if words > self._max_words:
            self._say(f"{said}: shorten it", wrong=True)
            return
        # the word that is being typed is no word yet
        whole = text if self.text[-1:].isspace() else text.rpartition(" ")[0]
        unknown = unknown_words(whole, self._vocabulary)
        if unknown:
            said += f"; {self._models} has never seen: {', '.join(unknown)}"
        elif words:
            said += "; Enter begins"
        self._say(said)

    @on(_Area.Entered)
    def _enter(self, event: _Area.Entered) -> None:
        event.stop()
        try:
            prompt = clean_prompt(event.text, self._max_words).text
        except InvalidInput as error:
            self._say(told(error), wrong=True)
            return
        self.post_message(self.Submitted(prompt))

    def _say(self, text: str, wrong: bool = False) -> None:
        status = self.query_one(".status", Static)
        status.update(Content(text))
        status.set_class(wrong, "-wrong")
