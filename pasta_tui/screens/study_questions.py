"""The evaluation phase on the full screen (App. B.2): one question beside the pictures it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Input, Static

from pasta_core.errors import InvalidInput, PastaError
from pasta_core.events import Event
from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.sessions.study import Study
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.guide import Guide
from pasta_core.study.questions import Question, Topic
from pasta_core.text import clean, told
from pasta_tui.keep import Keeper
from pasta_tui.screens.study import StudyScreen
from pasta_tui.screens.study_card import Card, CardText, asking, beginning, ending
from pasta_tui.screens.study_pictures import StudyPictures
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.session_state import Column, SessionView
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.terminal.text import clipped
from pasta_tui.widgets.keys import KeyLine
from pasta_tui.widgets.slate import Slate

__all__ = ["EvaluationScreen"]

_WIDE = 110
"""Cells from which the card stands beside the pictures instead of below them."""
_MOST_OPTIONS = 9


class _NamedSlate(Slate):
    """A slate whose columns are called what their category says."""

    def _title(self, view: SessionView, number: int, column: Column) -> str:
        return clipped(f" {column.category}", self.shape.column - 1)


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
        self._pictures = StudyPictures(info, turns)
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
            yield Card(id="card")
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

    @on(Card.Back)
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
        view, place = self._pictures.shown(self._evaluation)
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
        evaluation, pictures = self._evaluation, self._pictures
        question = evaluation.question if self._begun else None
        writing = question is not None and not question.options
        card = self.query_one(Card)
        with self.app.batch_update():
            self.query_one("#turn", Static).update(self._where(question))
            card.show(self._told(question))
            self.set_class(writing, "writing")
            self._slate.show(*pictures.shown(evaluation), False)
            self.refresh_bindings()
        if writing:
            card.write(evaluation.answer or "")
        else:
            self.set_focus(None)
        if unread := pictures.unread(pictures.turn(evaluation)):
            self.run_worker(self._read(unread), group="pictures", exclusive=True, exit_on_error=False)

    async def _read(self, turns: Sequence[int]) -> None:
        for turn in turns:
            await self._pictures.read(turn)
        self._slate.show(*self._pictures.shown(self._evaluation), False)

    def _where(self, question: Question | None) -> str:
        turn = self._pictures.turn(self._evaluation)
        place, of = self._evaluation.place()
        at = "" if question is None else f", question {place} of {of}"
        return f"turn {turn} of {self._info.made_of.settings.turns}{at}"

    def _told(self, question: Question | None) -> CardText:
        if not self._begun:
            return beginning(self._guide)
        if question is None:
            return ending(self._evaluation)
        chosen = self._pictures.chosen(question.turn)
        preferred = self._pictures.preferred(self._evaluation, question.turn)
        ask = self._guide.ask(question, chosen, preferred)
        words = self._guide.options(question)
        share = len(self._evaluation.answers) / len(self._evaluation.questions)
        return asking(share, question, ask, words, self._default(question), self.has_class("wide"))

    def _default(self, question: Question) -> str | None:
        """What Enter stands for: the earlier answer, or the column that was taken."""
        if self._evaluation.answer is not None:
            return self._evaluation.answer
        chosen = self._pictures.chosen(question.turn)
        return str(chosen + 1) if question.topic is Topic.PREFERRED else None
