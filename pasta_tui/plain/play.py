"""A session on the command line: its user and its sinks, around the one way to open it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from pasta_core.configuration import configure
from pasta_core.domain import History, Turn
from pasta_core.errors import Cancelled, InvalidInput, PastaError
from pasta_core.events import Event, Finished
from pasta_core.sessions.study import Study
from pasta_core.study.guide import load_guide
from pasta_tui.console.output import Output
from pasta_tui.console.run import run_until_stopped
from pasta_tui.plain.belief import belief_told, why_told
from pasta_tui.plain.files import copy_final, copy_turn, usable_directory
from pasta_tui.plain.json_lines import JsonLines
from pasta_tui.plain.opening import Opened, begun, resumed
from pasta_tui.plain.person import Lines, Person, Quit, others_told
from pasta_tui.plain.request import Request, check_request, new_session
from pasta_tui.plain.study import Questionnaire, brief
from pasta_tui.plain.view import PlainView
from pasta_tui.terminal.text import wrap

__all__ = ["play"]


def play(request: Request) -> None:
    """Play one session on the command line; raises what its exit code tells."""
    out = Output(os.environ, request.as_json)
    config = configure(request.flags, os.environ, Path.cwd())
    target = None if request.out is None else usable_directory(request.out)
    if request.resume is None:
        check_request(request, config)
        # The prompt is asked for before the loop runs, where Ctrl-C still interrupts a read.
        prompt = request.prompt
        if request.study and request.rater is None:
            prompt = brief(out, load_guide(config.paths.assets, config.session), prompt)
        elif prompt is None:
            prompt = _asked_prompt(out)
        opening = begun(new_session(request, config, prompt), config, out.note)
    else:
        opening = resumed(request, config, out.note)
    with suppress(Quit):
        run_until_stopped(_played(opening, out, target, config.paths.assets))


async def _played(
    opening: AbstractAsyncContextManager[Opened], out: Output, target: Path | None, assets: Path
) -> None:
    async with opening as opened:
        await _Play(opened, out, target, assets).run()


def _asked_prompt(out: Output) -> str:
    out.ask("What do you want to see? ")
    line = sys.stdin.readline()
    if not line:
        out.show([""])
        raise InvalidInput("no prompt was given", 'say what you want to see: pasta session "a red train"')
    return line


class _Play:
    """One open session, its user and its sinks."""

    def __init__(self, opened: Opened, out: Output, target: Path | None, assets: Path) -> None:
        made_of = opened.session.info.made_of
        self._opened = opened
        self._out = out
        self._target = target
        self._assets = assets
        self._person = opened.by_person
        self._view = PlainView(
            out,
            made_of.settings,
            blind=made_of.blind,
            pictures=self._person or not out.as_json,
            who="you" if self._person else made_of.user,
        )
        self._insight = opened.insight()
        self._copies: list[Path] = []
        self._lines = JsonLines(out.record, lambda: self._copies)
        self._typed: Lines | None = None
        self._finished: Finished | None = None

    async def run(self) -> None:
        """Run the session to its end; whatever stops it, say how to go on."""
        go_on = f"go on with: {self._opened.go_on}"
        try:
            history = await self._opened.run(self._somebody, self._emit)
            if (study := self._opened.session.study) is not None:
                await self._rated(study, history)
            self._ended()
        except Cancelled as reason:
            self._out.message(f"{reason.message}; what was finished is kept\n{go_on}")
            raise
        except PastaError as error:
            error.hint = "; ".join(part for part in (error.hint, go_on) if part)
            raise
        except BaseException:
            # An open question leaves the cursor behind it.
            self._out.show([""] if self._person else [])
            self._out.message(f"stopped; what was finished is kept\n{go_on}")
            raise

    async def _rated(self, study: Study, history: History) -> None:
        """The evaluation phase, or what was answered in it before."""
        if await study.ended():
            await study.tell(self._emit)
        elif not self._person:
            self._out.progress("the rater answers the questions")
            await self._opened.assess(study, history, self._emit)
        else:
            guide = load_guide(self._assets, self._opened.session.info.made_of.settings)
            await Questionnaire(self._lines_typed(), self._out, guide, history).run(study, self._emit)

    def _somebody(self) -> Person:
        made_of = self._opened.session.info.made_of
        return Person(
            self._lines_typed(),
            self._out.ask,
            self._out.show,
            self._saved,
            before=self._view.catch_up,
            explain=None if self._insight is None else self._explained,
            others=None if made_of.blind or made_of.study else self._others,
            study=made_of.study,
            width=lambda: self._out.terminal.width,
        )

    def _others(self, turn: Turn) -> Sequence[str]:
        terminal = self._out.terminal
        return others_told(turn, terminal.width if terminal.interactive else None)

    async def _explained(self, what: str) -> Sequence[str]:
        assert self._insight is not None
        said = await (belief_told if what == "belief" else why_told)(self._insight)
        return [line for long in said for line in wrap(long, self._out.terminal.width)]

    def _lines_typed(self) -> Lines:
        """One reader for the whole session: it may hold the beginning of the next line."""
        if self._typed is None:
            self._typed = Lines(sys.stdin)
        return self._typed

    def _emit(self, event: Event) -> None:
        if self._insight is not None:
            self._insight.take(event)
        self._view(event)
        if isinstance(event, Finished):
            self._finished = event
        else:
            self._lines(event)

    def _ended(self) -> None:
        event = self._finished
        if event is None:
            return
        if self._target is not None:
            self._copies = copy_final(event, self._target)
        self._lines(event)
        for path in self._copies or event.paths:
            self._out.data(str(path))
        study = self._opened.session.info.made_of.study
        data = "--study --out study.parquet" if study else "--out session.parquet"
        self._out.message(
            f"session {event.session} is finished\n"
            f"see it again with: pasta sessions show {event.session}\n"
            f"keep its data with: pasta sessions export {event.session} {data}"
        )

    def _saved(self, turn: Turn, column: int | None) -> Sequence[str]:
        if self._view.ready is None:
            return ()
        directory = self._target or usable_directory(Path.cwd())
        return [str(path) for path in copy_turn(self._opened.session.id, self._view.ready, column, directory)]
