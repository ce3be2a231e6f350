"""The evaluation phase on the full screen (App. B.2): one question beside the pictures it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from pasta_core.errors import InvalidInput, PastaError
from pasta_core.events import Event
from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.sessions.study import Study
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.guide import Guide
from pasta_core.study.questions import Question, Topic
from pasta_core.text import clean, told
from pasta_tui.archive import turn_views, with_images
from pasta_tui.keep import Keeper
from pasta_tui.screens.study import StudyScreen
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.session_state import Column, SessionView
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.terminal.text import clipped
from pasta_tui.widgets.fit import Place
from pasta_tui.widgets.keys import KeyLine
from pasta_tui.widgets.slate import Slate
from pasta_tui.widgets.words import bar

__all__ = ["EvaluationScreen"]

_WIDE = 110
"""Cells from which the card stands beside the pictures instead of below them."""
_MOST_OPTIONS = 9


class _NamedSlate(Slate):
    """A slate whose columns are called what their category says."""

    def _title(self, view: SessionView, number: int, column: Column) -> str:
        return clipped(f" {column.category}", self.shape.column - 1)


class _Words(Input):
    """A line of text from whose beginning the way leads back to the question before."""

    class Back(Message):
        """The rater wants the question before."""

    async def _on_key(self, event: events.Key) -> None:
        at_start = (
            event.key in ("left", "backspace") and self.cursor_position == 0 and self.selection.is_empty
        )
        if event.key == "escape" or at_start:
            event.stop()
            event.prevent_default()
            self.post_message(self.Back())
            return
        await super()._on_key(event)


class EvaluationScreen(TellingScreen[bool]):
    """Asks the questions of a study that is played; True once the task is ended.

    Every answer is durable before the next question is shown, so the rater may leave at any moment.
    """

    CSS_PATH = "study.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            Binding(
                str(number),
                f"option({number})",
                f"Answer {number}",
                id=f"questions.option-{number}",
                show=False,
                tooltip=f"Give answer {number}.",
            )
            for number in range(1, _MOST_OPTIONS + 1)
        ],
        Binding("enter", "keep", "Go on", id="questions.go-on", tooltip="Keep what is marked and go on."),
        Binding(
            "left,backspace",
            "back",
            "Back",
            id="questions.back",
            key_display="←",
            tooltip="The question before.",
        ),
        Binding(
            "right", "later", "Later", id="questions.later", tooltip="Leave the question for later and go on."
        ),
        Binding("z", "zoom", "Zoom", id="questions.zoom", tooltip="Show one picture on the whole screen."),
        Binding(
            "i", "instructions", "Instructions", id="questions.instructions", tooltip="Read the instructions."
        ),
    ]

    def __init__(
        self,
        study: Study,
        info: SessionInfo,
        turns: tuple[StoredTurn, ...],
        guide: Guide,
        graphics: Graphics,
        keeper: Keeper,
        emit: Callable[[Event], None] = lambda event: None,
    ) -> None:
        super().__init__()
        self._study = study
        self._info = info
        self._stored: Mapping[int, StoredTurn] = {turn.number: turn for turn in turns}
        self._views = {view.shown: view for view in turn_views(info, turns)}
        self._guide = guide
        self._graphics = graphics
        self._keeper = keeper
        self._emit = emit
        self._begun = False
        self._evaluation = Evaluation.begin(info.made_of.settings.turns, info.made_of.settings.columns)
        settings = info.made_of.settings
        self._slate = _NamedSlate(graphics, max(2, settings.columns), settings.images)

    def compose(self) -> ComposeResult:
        """The idea and the turn over the pictures; the card beside or below them."""
        with Horizontal(id="head"):
            yield Static(f"“{clean(self._info.made_of.prompt).text}”", id="prompt", markup=False)
            yield Static(id="turn", markup=False)
        with Container(id="body"):
            yield Container(self._slate, id="table")
            with Vertical(id="card"):
                yield Static(id="where", markup=False)
                yield Static(id="ask", markup=False)
                yield Static(id="options", markup=False)
                yield _Words(placeholder="your words; Enter goes on", compact=True, id="words")
                yield Static(id="hint", markup=False)
        yield KeyLine()

    async def on_mount(self) -> None:
        """Go on where the rater left."""
        self._evaluation = await self._study.load()
        self._begun = bool(self._evaluation.answers)
        self._show()

    def on_resize(self) -> None:
        """Put the card where there is room for it."""
        self.set_class(self.size.width >= _WIDE, "wide")
        self.set_class(self.size.width < _WIDE, "narrow")
        if self.is_mounted:
            self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what the question allows."""
        question = self._evaluation.question if self._begun else None
        match action:
            case "option":
                return question is not None and parameters[0] in range(1, len(question.options) + 1)
            case "back":
                return self._begun and self._evaluation.at > 0
            case "later":
                return question is not None
            case _:
                return True

    # answering

    async def action_option(self, number: int) -> None:
        """Give an answer by its key."""
        await self._answer(str(number))

    async def action_keep(self) -> None:
        """Go on with what is marked; at the end, end the task."""
        evaluation = self._evaluation
        if not self._begun:
            self._begun = True
            self._show()
        elif evaluation.question is not None:
            default = self._default(evaluation.question)
            if default is not None:
                await self._answer(default)
        elif evaluation.missing:
            self._go(evaluation.to_missing())
        else:
            await self._end()

    def action_back(self) -> None:
        """The question before."""
        self._go(self._evaluation.back())

    def action_later(self) -> None:
        """The next question, this one left as it is."""
        self._go(self._evaluation.skipped())

    @on(Input.Submitted)
    async def _written(self, event: Input.Submitted) -> None:
        event.stop()
        await self._answer(event.value)

    @on(_Words.Back)
    def _back(self) -> None:
        self.action_back()

    async def _answer(self, text: str) -> None:
        try:
            later = await self._study.answer(self._evaluation, text)
        except PastaError as error:
            self._complain(error)
            return
        self._go(later)

    async def _end(self) -> None:
        try:
            await self._study.end(self._evaluation, self._emit)
        except PastaError as error:
            self._complain(error)
            return
        self.dismiss(True)

    def _complain(self, error: PastaError) -> None:
        severe = not isinstance(error, InvalidInput)
        self.notify(told(error), severity="error" if severe else "warning", markup=False)

    # looking closer

    def action_zoom(self) -> None:
        """Show one picture of the marked column on the whole screen."""
        view, place = self._pictures()
        if view.painted:
            self.app.push_screen(ZoomScreen(view, place, self._graphics, self._keeper, False))

    def action_instructions(self) -> None:
        """Read the instructions once more."""
        self.app.push_screen(StudyScreen(self._guide))

    # what there is to see

    def _go(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._show()

    def _show(self) -> None:
        question = self._evaluation.question if self._begun else None
        writing = question is not None and not question.options
        with self.app.batch_update():
            self._show_card(question)
            self.set_class(writing, "writing")
            view, place = self._pictures()
            self._slate.show(view, place, False)
            self.refresh_bindings()
        words = self.query_one("#words", _Words)
        if writing and not words.has_focus:
            words.value = self._evaluation.answer or ""
            words.cursor_position = len(words.value)
            self.set_focus(words)
        elif not writing:
            self.set_focus(None)
        self._load()

    def _show_card(self, question: Question | None) -> None:
        turns = self._info.made_of.settings.turns
        place, of = self._evaluation.place()
        at = f", question {place} of {of}" if self._begun and question is not None else ""
        self._say("turn", f"turn {self._turn} of {turns}{at}")
        if not self._begun:
            self._say("where", "The questions")
            self._say("ask", "\n".join(self._guide.evaluation))
            self._say("options", "")
            self._say("hint", "Enter begins.")
        elif question is None:
            self._show_end()
        else:
            share = len(self._evaluation.answers) / len(self._evaluation.questions)
            self._say("where", bar(share))
            self._say("ask", self._asked(question))
            self._say("options", self._options(question))
            self._say("hint", self._hint(question))

    def _show_end(self) -> None:
        missing = self._evaluation.missing
        turns = sorted({question.turn for question in missing})
        self._say("where", "The end")
        self._say("options", "")
        if missing:
            count = "1 question is" if len(missing) == 1 else f"{len(missing)} questions are"
            where = ", ".join(map(str, turns))
            self._say("ask", f"{count} not answered yet (turn {where}).")
            self._say("hint", "Enter goes to the first one.")
        else:
            self._say("ask", "Thank you, everything is answered.")
            self._say("hint", "Enter ends the task; until then, ← leads back to every answer.")

    def _say(self, part: str, text: str | Content) -> None:
        line = self.query_one(f"#{part}", Static)
        line.update(text)
        line.set_class(not text, "empty")

    def _asked(self, question: Question) -> str:
        preferred = self._preferred(question.turn)
        return self._guide.ask(question, self._chosen(question.turn), preferred)

    def _options(self, question: Question) -> Content:
        """The answers with their keys, the marked one bright: a line each beside the pictures."""
        marked = self._default(question)
        words = self._guide.options(question)
        lines = []
        for key, (value, word) in enumerate(zip(question.options, words, strict=True), start=1):
            style = "bold reverse" if value == marked else ""
            lines.append(Content.assemble((f"{key}", "bold $accent"), " ", (word, style)))
        return Content("\n" if self.has_class("wide") else "  ").join(lines)

    def _hint(self, question: Question) -> str:
        if not question.options:
            return "Enter goes on, also without a word; Escape goes back."
        keys = f"1-{len(question.options)} answers"
        return f"{keys}, Enter keeps what is marked" if self._default(question) is not None else keys

    def _default(self, question: Question) -> str | None:
        """What Enter stands for: the earlier answer, or the column that was taken."""
        if self._evaluation.answer is not None:
            return self._evaluation.answer
        return str(self._chosen(question.turn) + 1) if question.topic is Topic.PREFERRED else None

    # the pictures

    @property
    def _turn(self) -> int:
        """The turn whose pictures are shown: the question's, at the end the last one."""
        question = self._evaluation.question
        return self._info.made_of.settings.turns if question is None else question.turn

    def _pictures(self) -> tuple[SessionView, Place]:
        """The turn's columns, or for a comparison the preferred columns of both turns."""
        question = self._evaluation.question
        turn = self._turn
        if question is not None and question.topic is Topic.COMPARISON:
            pair = tuple(
                _called(self._views[number].columns[column], f"turn {number}, column {column + 1}")
                for number in (turn - 1, turn)
                for column in (self._preferred(number),)
            )
            return replace(self._views[turn], columns=pair, chosen=None, blind=True), Place(1)
        view, chosen = self._views[turn], self._chosen(turn)
        asked = None if question is None else question.column
        columns = tuple(
            _called(column, _name(number, chosen, asked)) for number, column in enumerate(view.columns)
        )
        place = Place(self._preferred(turn) if asked is None else asked)
        return replace(view, columns=columns, blind=True), place

    def _chosen(self, turn: int) -> int:
        return self._views[turn].chosen or 0

    def _preferred(self, turn: int) -> int:
        preferred = self._evaluation.preferred(turn)
        return self._chosen(turn) if preferred is None else preferred

    def _load(self) -> None:
        """Read the pictures of the turn and the one before, and forget all others."""
        near = (self._turn - 1, self._turn)
        for number, view in self._views.items():
            if number not in near and view.painted:
                self._views[number] = _emptied(view)
        wanted = [number for number in near if number in self._views and not self._views[number].painted]
        if wanted:
            self.run_worker(self._read(wanted), group="pictures", exclusive=True, exit_on_error=False)

    async def _read(self, numbers: list[int]) -> None:
        for number in sorted(numbers, reverse=True):
            view = await asyncio.to_thread(with_images, self._views[number], self._stored[number])
            self._views[number] = view
        view, place = self._pictures()
        self._slate.show(view, place, False)


def _name(number: int, chosen: int, asked: int | None) -> str:
    taken = " ✓ taken" if number == chosen else ""
    return f"{number + 1}{taken}{'  ← this one' if number == asked else ''}"


def _called(column: Column, name: str) -> Column:
    return replace(column, category=name, prompt="")


def _emptied(view: SessionView) -> SessionView:
    nothing = (None,) * view.settings.images
    return replace(view, columns=tuple(replace(c, images=nothing, paths=nothing) for c in view.columns))
