"""The rater study a line at a time: the instructions, and the questions of the evaluation phase."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pasta_core.domain import History, Turn
from pasta_core.errors import InvalidInput
from pasta_core.events import Event
from pasta_core.sessions.study import Study
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.guide import Guide
from pasta_core.study.questions import Question, Topic
from pasta_core.text import clean_prompt, told
from pasta_tui.console.output import Output
from pasta_tui.plain.person import Lines, Quit
from pasta_tui.plain.view import columns_of_pictures, columns_of_texts
from pasta_tui.terminal.text import wrap

__all__ = ["Questionnaire", "brief", "instructions"]

_KEYS = "b back, n leave it for later, v the pictures again, ? the instructions, q quit"
_WIDEST = 100
"""Cells of a line of instructions: longer ones are hard to read."""


def brief(out: Output, guide: Guide, prompt: str | None) -> str:
    """Show the instructions and return the initial prompt, asked for unless it was given.

    Raises `InvalidInput` where the input ends first.
    """
    out.show(instructions(out, guide))
    if prompt is not None:
        return prompt
    out.show(["", *_paragraphs(out, (" ".join(guide.prompt),))])
    while True:
        out.ask("What do you want to see? ")
        line = sys.stdin.readline()
        if not line:
            out.show([""])
            raise InvalidInput("no prompt was given", "say what you want to see, in a few words")
        try:
            return clean_prompt(line, guide.words).text
        except InvalidInput as error:
            out.show([told(error)])


def instructions(out: Output, guide: Guide) -> list[str]:
    """What raters read before they begin, with the illustration of how to choose."""
    return [
        "",
        guide.title,
        "",
        *_paragraphs(out, (*guide.task, *guide.choosing)),
        "",
        *guide.figure.splitlines(),
        "",
        *_paragraphs(out, (guide.figure_caption, *guide.critique)),
    ]


def _paragraphs(out: Output, texts: Sequence[str]) -> list[str]:
    width = min(out.terminal.width, _WIDEST)
    return [line for text in texts for line in ("", *wrap(text, width))][1:]


class Questionnaire:
    """Asks a person about a session that is played to its end."""

    def __init__(self, lines: Lines, out: Output, guide: Guide, history: History) -> None:
        self._lines = lines
        self._out = out
        self._guide = guide
        self._turns = {turn.number: turn for turn in history.turns}
        self._shown: tuple[int, bool] | None = None

    async def run(self, study: Study, emit: Callable[[Event], None]) -> None:
        """Ask until the task is ended; leaving or the end of input raises `Quit`, every answer is kept."""
        evaluation = await study.load()
        told = (*self._guide.evaluation, f"Type {_KEYS}.")
        self._out.show(["", *_paragraphs(self._out, told)])
        while True:
            question = evaluation.question
            if question is not None:
                evaluation = await self._asked(study, evaluation, question)
            elif evaluation.missing:
                evaluation = await self._reminded(evaluation)
            elif await self._ends():
                await study.end(evaluation, emit)
                return
            else:
                evaluation = evaluation.back()

    async def _asked(self, study: Study, evaluation: Evaluation, question: Question) -> Evaluation:
        """Ask one question; the next one, or the same where the line was no answer."""
        self._show(evaluation, question)
        place, of = evaluation.place()
        chosen = self._chosen(question.turn)
        preferred = evaluation.preferred(question.turn)
        text = self._guide.ask(question, chosen, chosen if preferred is None else preferred)
        options = self._guide.options(question)
        keys = "   ".join(f"{key} {option}" for key, option in enumerate(options, start=1))
        self._out.show(["", *_paragraphs(self._out, (f"{place}/{of}  {text}",))])
        if options and question.topic is not Topic.PREFERRED:
            self._out.show(_paragraphs(self._out, (keys,)))
        default = self._default(evaluation, question)
        line = (await self._line(_request(question, default))).strip()
        match line.lower():
            case "b":
                return evaluation.back()
            case "n":
                return evaluation.skipped()
            case "v":
                self._shown = None
                return evaluation
            case "?":
                self._out.show(instructions(self._out, self._guide))
                return evaluation
        try:
            return await study.answer(evaluation, line or default or "")
        except InvalidInput as error:
            self._out.show([error.message])
            return evaluation

    async def _reminded(self, evaluation: Evaluation) -> Evaluation:
        count = len(evaluation.missing)
        left = "1 question is" if count == 1 else f"{count} questions are"
        await self._line(f"{left} not answered yet. Enter goes to the first: ")
        return evaluation.to_missing()

    async def _ends(self) -> bool:
        self._out.show(["", "Thank you, everything is answered."])
        line = await self._line("Enter ends the task (b goes back): ")
        return line.strip().lower() != "b"

    def _show(self, evaluation: Evaluation, question: Question) -> None:
        """Show a turn's pictures when its questions begin; for the comparison, what was preferred in both."""
        comparing = question.topic is Topic.COMPARISON
        if self._shown == (question.turn, comparing):
            return
        self._shown = (question.turn, comparing)
        terminal = self._out.terminal
        self._out.show(["", f"Turn {question.turn} of {len(self._turns)}"])
        if not terminal.interactive:
            return
        if not comparing:
            self._out.show(columns_of_pictures(self._turns[question.turn].columns, None, terminal))
            return
        pair = [self._preferred(evaluation, number) for number in (question.turn - 1, question.turn)]
        columns = [turn.columns[column] for turn, column in pair]
        texts = [f"turn {turn.number}, column {column + 1}" for turn, column in pair]
        self._out.show(columns_of_texts(columns, texts, terminal))

    def _preferred(self, evaluation: Evaluation, number: int) -> tuple[Turn, int]:
        preferred = evaluation.preferred(number)
        return self._turns[number], self._chosen(number) if preferred is None else preferred

    def _default(self, evaluation: Evaluation, question: Question) -> str | None:
        """What Enter stands for: the earlier answer, or the column that was taken."""
        if evaluation.answer is not None:
            return evaluation.answer
        return str(self._chosen(question.turn) + 1) if question.topic is Topic.PREFERRED else None

    def _chosen(self, number: int) -> int:
        choice = self._turns[number].choice
        return 0 if choice is None else choice.column

    async def _line(self, question: str) -> str:
        self._out.ask(question)
        line = await self._lines.next()
        if line is None:
            self._out.show([""])
            raise Quit("the input ended")
        if line.strip().lower() in ("q", "quit"):
            raise Quit("you left the questions")
        return line


def _request(question: Question, default: str | None) -> str:
    keys = f"1-{len(question.options)}" if question.options else "your words"
    kept = f", Enter keeps {default!r}" if default else "" if question.options else ", or Enter for none"
    return f"{keys}{kept}: "
