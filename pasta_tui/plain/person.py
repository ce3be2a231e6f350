"""The person at the keyboard as the user of a rollout: asks a line at a time without blocking the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from pasta_core.domain import Answer, Choice, History, NoneOfThese, Swap, Turn
from pasta_core.errors import Cancelled, ExitCode, InvalidInput
from pasta_core.simulation.proposal import check_swap
from pasta_core.text import CRITIQUE_WORDS, clean, clean_critique, told
from pasta_tui.terminal.text import clipped

__all__ = ["Explain", "Lines", "Person", "Quit", "Typed", "others_told", "parse_answer"]

_WIDE = 80
"""Cells of a line that the question has room in with all its words."""

Explain = Callable[[str], Awaitable[Sequence[str]]]
"""Says what is believed (`belief`), or why the slate is shown (`why`), in lines."""


class Quit(Cancelled):
    """The person left; the session waits to be resumed."""

    exit_code = ExitCode.OK


@dataclass(frozen=True)
class Typed:
    """What one typed line asks for; `candidate` is that of a swap, 0-based as `column` is.

    `action` is `choose`, `none`, `others`, `swap`, `critique`, `save`, `why`, `belief` or `quit`.
    """

    action: str
    column: int | None = None
    text: str = ""
    candidate: int | None = None


def parse_answer(line: str, columns: int) -> Typed:
    """Read what the question offers: `2`, `2 make it night`, `0`, `c`, `a`, `a 2 17`, `s 2`, `q` and so on.

    `InvalidInput` for anything else.
    """
    head, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    match head.lower():
        case "q" | "quit" | "exit":
            return Typed("quit")
        case "c" | "critique":
            return Typed("critique", text=rest)
        case "w" | "why" if not rest:
            return Typed("why")
        case "b" | "belief" if not rest:
            return Typed("belief")
        case "s" | "save":
            return Typed("save", _column(rest, columns) if rest else None)
        case "0" | "none":
            return Typed("none", text=rest)
        case "a" | "others" if not rest:
            return Typed("others")
        case "a" | "swap":
            return _swap(rest, columns)
        case _:
            return Typed("choose", _column(head, columns), rest)


def _swap(text: str, columns: int) -> Typed:
    column, _, candidate = text.partition(" ")
    if not candidate.strip().isdecimal():
        raise InvalidInput("a swap names a column and a prompt of the list: 'a 2 17'; 'a' lists them")
    return Typed("swap", _column(column, columns), candidate=int(candidate) - 1)


def _column(text: str, columns: int) -> int:
    if text.isdecimal() and 1 <= int(text) <= columns:
        return int(text) - 1
    raise InvalidInput(f"type a number from 1 to {columns}, c, s or q")


def others_told(turn: Turn, width: int | None) -> list[str]:
    """What the slate does not show, a line each of at most `width` cells: number, value, category, prompt."""
    values = turn.slate.all_values
    lines = []
    for index, it in enumerate(turn.candidates):
        if index not in turn.slate.indices:
            value = "" if values is None else f"{values[index]:z7.2f}"
            line = f"{index + 1:>3}{value}  [{clean(it.category).text}] {clean(it.prompt).text}"
            lines.append(line if width is None else clipped(line, width))
    if not lines:
        return ["everything that was written is shown"]
    return ["not shown:", *lines, "a COLUMN NUMBER shows one of them in a column: a 2 17"]


class Lines:
    """Lines from a terminal or pipe, read when the loop says there are some."""

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = stream.fileno()
        self._rest = b""

    async def next(self) -> str | None:
        """The next line without its end, or None at the end of input."""
        while b"\n" not in self._rest:
            chunk = await self._chunk()
            if not chunk:
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, 4096)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Person:
    """Asks which column, keeps a critique until the turn is chosen, and saves columns on request.

    In a `study` there is nothing but the choice; `others` lists what a slate does not show, None where that
    must stay hidden. `width` is how many cells a line has.
    """

    def __init__(
        self,
        lines: Lines,
        ask: Callable[[str], None],
        tell: Callable[[Sequence[str]], None],
        save: Callable[[Turn, int | None], Sequence[str]],
        before: Callable[[], None],
        explain: Explain | None = None,
        others: Callable[[Turn], Sequence[str]] | None = None,
        study: bool = False,
        width: Callable[[], int] = lambda: _WIDE,
    ) -> None:
        self._lines = lines
        self._width = width
        self._ask = ask
        self._tell = tell
        self._save = save
        self._before = before
        self._explain = explain
        self._others = others
        self._study = study
        self._said = (0, "")
        """A turn, and the critique that goes with the next answer in it."""

    async def choose(self, history: History, turn: Turn) -> Answer:
        """Ask until the slate is answered; leaving or the end of input raises `Quit`."""
        self._before()
        refused = [it.critique for it in history.refusals if it.turn.number == turn.number]
        if self._said[0] != turn.number:
            self._said = turn.number, refused[-1] if refused else ""
        while True:
            line = await self._line(self._question(len(turn.columns)))
            try:
                answer = await self._answer(parse_answer(line, len(turn.columns)), turn)
            except InvalidInput as error:
                self._tell([told(error)])
                continue
            if answer is not None:
                return answer

    def _question(self, columns: int) -> str:
        none = "" if self._study else ", 0 none"
        others = [] if self._others is None else ["a others"]
        more = ["q quit"] if self._explain is None else ["w why", "b belief", "q"]
        words = [*others, "c critique", "s save", *more]
        # with the answer it fits a line of 80 cells, and in a narrower one the keys do
        keys = words if self._width() >= _WIDE else [word[0] for word in words]
        return f"Which column? 1-{columns}{none} ({', '.join(keys)}): "

    async def _answer(self, typed: Typed, turn: Turn) -> Answer | None:
        """What a typed line says to the slate; None where it asked for something else, which is done."""
        number, said = self._said
        match typed.action:
            case "quit":
                raise Quit("you left the session")
            case "critique":
                self._said = number, await self._critique(typed.text)
            case "save":
                self._tell(self._save(turn, typed.column))
            case "why" | "belief":
                self._tell(await self._explained(typed.action))
            case "none" | "swap" if self._study:
                raise InvalidInput("a study has no other answers: choose what comes closest")
            case "none":
                self._said = number, clean_critique(typed.text) or said
                return NoneOfThese(self._said[1])
            case "others" | "swap" if self._others is None:
                raise InvalidInput("this session hides its prompts: choose what comes closest, or 0")
            case "others" if self._others is not None:
                self._tell(self._others(turn))
            case "swap" if typed.column is not None and typed.candidate is not None:
                swap = Swap(typed.column, typed.candidate)
                check_swap(turn, swap)
                return swap
            case _ if typed.column is not None:
                return Choice(typed.column, clean_critique(typed.text) or said)
        return None

    async def _explained(self, what: str) -> Sequence[str]:
        if self._explain is None:
            raise InvalidInput("a study explains nothing: choose what comes closest")
        return await self._explain(what)

    async def _critique(self, text: str) -> str:
        critique = clean_critique(
            text or await self._line(f"What should change? (at most {CRITIQUE_WORDS} words): ")
        )
        self._tell([f'Noted: "{critique}". It goes with your answer.' if critique else "No critique."])
        return critique

    async def _line(self, question: str) -> str:
        self._ask(question)
        line = await self._lines.next()
        if line is None:
            self._tell([""])
            raise Quit("the input ended")
        return line
