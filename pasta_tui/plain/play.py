"""The composition root of a session on the command line: store, worker, user and sinks, wired once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from pasta_core.agent.selectors import make_selector
from pasta_core.configuration import Configuration, configure
from pasta_core.domain import Turn, User
from pasta_core.errors import Cancelled, PastaError
from pasta_core.events import Event, Finished
from pasta_core.profiles import load_profile
from pasta_core.sessions.records import PERSON, NewSession, SessionStatus
from pasta_core.sessions.session import Services, Session, begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import Profile
from pasta_core.vocabulary import load_vocabulary, unknown_words
from pasta_core.worker.services import Worker
from pasta_tui.cli._connect import check_profile, worker_for
from pasta_tui.cli._json_lines import JsonLines
from pasta_tui.cli._output import Output
from pasta_tui.cli._run import run_until_stopped
from pasta_tui.plain.files import copy_final, copy_turn, usable_directory
from pasta_tui.plain.person import Lines, Person, Quit
from pasta_tui.plain.request import Request, new_session, refuse_contradictions
from pasta_tui.plain.view import PlainView

__all__ = ["play"]


def play(request: Request) -> None:
    """Play one session on the command line; raises what its exit code tells."""
    out = Output(os.environ, request.as_json)
    config = configure(request.flags, os.environ, Path.cwd())
    target = None if request.out is None else usable_directory(request.out)
    if request.resume is None:
        # The prompt is asked for before the loop runs, where Ctrl-C still interrupts a read.
        session = _begun(new_session(request, config, out), config, out, target)
    else:
        session = _resumed(request, config, out, target)
    with suppress(Quit):
        run_until_stopped(session)


async def _begun(new: NewSession, config: Configuration, out: Output, target: Path | None) -> None:
    worker = worker_for(config, config.profile, out)
    try:
        with ExitStack() as stack:
            store = stack.enter_context(Store(config.paths.data))
            await check_profile(worker, config.profile)
            session = stack.enter_context(begin_session(store, new))
            _name_unknown_words(session, config.profile, out)
            await _Play(session, worker, out, target).run()
    finally:
        await worker.close()


async def _resumed(request: Request, config: Configuration, out: Output, target: Path | None) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(Store(config.paths.data))
        found = store.find(request.resume or "")
        refuse_contradictions(request, found)
        profile = load_profile(found.made_of.profile, config.paths)
        worker = worker_for(replace(config, profile=profile), profile, out)
        try:
            if found.status is not SessionStatus.FINISHED:
                await check_profile(worker, profile)
            session = stack.enter_context(resume_session(store, found.id))
            await _Play(session, worker, out, target).run()
        finally:
            await worker.close()


class _Play:
    """One open session, its user and its sinks."""

    def __init__(self, session: Session, worker: Worker, out: Output, target: Path | None) -> None:
        made_of = session.info.made_of
        self._session = session
        self._worker = worker
        self._out = out
        self._target = target
        self._person = made_of.user == PERSON
        self._view = PlainView(
            out,
            made_of.settings,
            blind=made_of.blind,
            pictures=self._person or not out.as_json,
            who="you" if self._person else made_of.user,
        )
        self._copies: list[Path] = []
        self._lines = JsonLines(out.record, lambda: self._copies)

    async def run(self) -> None:
        """Run the session to its end; whatever stops it, say how to go on."""
        made_of = self._session.info.made_of
        services = Services(
            writer=self._worker.writer,
            selector=make_selector(made_of.selector, made_of.settings.form),
            painter=self._worker.painter,
            user=self._user(),
        )
        go_on = f"go on with: pasta session --resume {self._session.id}"
        try:
            await self._session.run(services, self._emit)
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

    def _user(self) -> User:
        made_of = self._session.info.made_of
        if not self._person:
            return self._worker.rater(made_of.user, made_of.seed)
        return Person(
            Lines(sys.stdin), self._out.ask, self._out.show, self._saved, before=self._view.catch_up
        )

    def _emit(self, event: Event) -> None:
        self._view(event)
        if isinstance(event, Finished) and self._target is not None:
            self._copies = copy_final(event, self._target)
        self._lines(event)
        if isinstance(event, Finished):
            self._ended(event)

    def _ended(self, event: Finished) -> None:
        for path in self._copies or event.paths:
            self._out.data(str(path))
        self._out.message(
            f"session {event.session} is finished; see it again with: pasta sessions show {event.session}, "
            f"keep its data with: pasta sessions export --out sessions.parquet"
        )

    def _saved(self, turn: Turn, column: int | None) -> Sequence[str]:
        if self._view.ready is None:
            return ()
        directory = self._target or usable_directory(Path.cwd())
        return [str(path) for path in copy_turn(self._session.id, self._view.ready, column, directory)]


def _name_unknown_words(session: Session, profile: Profile, out: Output) -> None:
    words = unknown_words(session.info.made_of.prompt, load_vocabulary(profile.vocabulary))
    if words:
        out.note(f"the {profile.name} models have never seen: {', '.join(words)}; they paint the rest")
