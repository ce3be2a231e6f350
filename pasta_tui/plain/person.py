"""The person at the keyboard as the user of a rollout: asks a line at a time without blocking the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from pasta_core.domain import Choice, History, Turn
from pasta_core.errors import Cancelled, ExitCode, InvalidInput
from pasta_core.text import CRITIQUE_WORDS, clean_critique, told

__all__ = ["Answer", "Explain", "Lines", "Person", "Quit", "parse_answer"]

Explain = Callable[[str], Awaitable[Sequence[str]]]
"""Says what is believed (`belief`), or why the slate is shown (`why`), in lines."""


class Quit(Cancelled):
    """The person left; the session waits to be resumed."""

    exit_code = ExitCode.OK


@dataclass(frozen=True)
class Answer:
    """What one typed line asks for: `choose`, `critique`, `save`, `why`, `belief` or `quit`."""

    action: str
    column: int | None = None
    text: str = ""


def parse_answer(line: str, columns: int) -> Answer:
    """Read `2`, `2 make it night`, `c`, `c make it night`, `s`, `s 2` or `q`; else `InvalidInput`."""
    head, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if head.lower() in ("q", "quit", "exit"):
        return Answer("quit")
    if head.lower() in ("c", "critique"):
        return Answer("critique", text=rest)
    if head.lower() in ("w", "why", "b", "belief") and not rest:
        return Answer("why" if head.lower().startswith("w") else "belief")
    if head.lower() in ("s", "save") and not rest:
        return Answer("save")
    if head.lower() in ("s", "save"):
        return Answer("save", _column(rest, columns))
    return Answer("choose", _column(head, columns), rest)


def _column(text: str, columns: int) -> int:
    if text.isdecimal() and 1 <= int(text) <= columns:
        return int(text) - 1
    raise InvalidInput(f"type a number from 1 to {columns}, c, s or q")


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
    """Asks which column, keeps a critique until the choice, and saves columns on request."""

    def __init__(
        self,
        lines: Lines,
        ask: Callable[[str], None],
        tell: Callable[[Sequence[str]], None],
        save: Callable[[Turn, int | None], Sequence[str]],
        before: Callable[[], None],
        explain: Explain | None = None,
    ) -> None:
        self._lines = lines
        self._ask = ask
        self._tell = tell
        self._save = save
        self._before = before
        self._explain = explain

    async def choose(self, history: History, turn: Turn) -> Choice:
        """Ask until a column is chosen; leaving or the end of input raises `Quit`."""
        self._before()
        columns = len(turn.columns)
        critique = ""
        more = "" if self._explain is None else "w why, b belief, "
        while True:
            line = await self._line(f"Which column? 1-{columns} (c critique, s save, {more}q quit): ")
            try:
                answer = parse_answer(line, columns)
                if answer.action == "quit":
                    raise Quit("you left the session")
                if answer.action == "critique":
                    critique = await self._critique(answer.text)
                elif answer.action == "save":
                    self._tell(self._save(turn, answer.column))
                elif answer.action in ("why", "belief"):
                    self._tell(await self._explained(answer.action))
                elif answer.column is not None:
                    return Choice(answer.column, clean_critique(answer.text) or critique)
            except InvalidInput as error:
                self._tell([told(error)])

    async def _explained(self, what: str) -> Sequence[str]:
        if self._explain is None:
            raise InvalidInput("a study explains nothing: choose what comes closest")
        return await self._explain(what)

    async def _critique(self, text: str) -> str:
        critique = clean_critique(
            text or await self._line(f"What should change? (at most {CRITIQUE_WORDS} words): ")
        )
        self._tell([f'Noted: "{critique}". It goes with your choice.' if critique else "No critique."])
        return critique

    async def _line(self, question: str) -> str:
        self._ask(question)
        line = await self._lines.next()
        if line is None:
            self._tell([""])
            raise Quit("the input ended")
        return line
