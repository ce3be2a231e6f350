"""What every front end does to have a session: its store, its models and its lock, opened and closed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.selectors import SelectorName, Valuer, make_selector
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner
from pasta_core.agent.value_calibration import ASSUMED
from pasta_core.configuration import Configuration
from pasta_core.domain import Candidate, CandidateForm, History, Painter, Selector, Slate, User, Writer
from pasta_core.engines.calibrations import StaleCalibration, fitting_calibration, foreign_types
from pasta_core.errors import StorageError
from pasta_core.profiles import load_profile
from pasta_core.sessions.insight import Insight
from pasta_core.sessions.records import PERSON, NewSession, SessionStatus
from pasta_core.sessions.session import Services, Session, begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.sessions.study import Study, StudyUser
from pasta_core.sessions.taste import TasteOfSession
from pasta_core.settings import Profile
from pasta_core.simulation.rollout import Emit
from pasta_core.users.taste_shelf import TasteShelf
from pasta_core.vocabulary import load_vocabulary, unknown_words
from pasta_core.worker.launch import Launched
from pasta_core.worker.services import Worker
from pasta_tui.console.connect import worker_for
from pasta_tui.plain.request import Request, refuse_contradictions, selector_note

__all__ = ["Models", "Opened", "begun", "resumed"]

Note = Callable[[str], None]
"""Takes a line that the person should read once."""


class Models(Protocol):
    """What a session needs of a worker."""

    @property
    def writer(self) -> Writer: ...

    @property
    def painter(self) -> Painter: ...

    def rater(self, spec: str, seed: int) -> User: ...

    def valuer(self, model: str) -> Valuer: ...

    def study_rater(self, spec: str, seed: int) -> StudyUser: ...

    def kill(self) -> None: ...


@dataclass(frozen=True)
class Opened:
    """A session that this process holds, and the models that it runs on."""

    session: Session
    models: Models
    taste: TasteOfSession | None = None
    calibration: ValueCalibration = ASSUMED
    """How its value model is weighed beside the taste."""

    @property
    def by_person(self) -> bool:
        """Whether somebody at the keyboard chooses."""
        return self.session.info.made_of.user == PERSON

    @property
    def go_on(self) -> str:
        """The command that takes it up again."""
        return f"pasta session --resume {self.session.id}"

    async def run(self, person: Callable[[], User], emit: Emit) -> History:
        """Run the session to its end; `person` makes whoever chooses, unless a rater plays.

        May be cancelled, and run again. Raises what `rollout` raises.
        """
        services = Services(
            writer=self.models.writer,
            selector=await self._selecting(),
            painter=self.models.painter,
            user=person() if self.by_person else self._rater(),
        )
        return await self.session.run(services, emit, self.taste)

    async def assess(self, study: Study, history: History, emit: Emit) -> None:
        """Let the rater answer what is open in the evaluation phase; raises what the models raise."""
        made_of = self.session.info.made_of
        await study.assess(history, self.models.study_rater(made_of.user, made_of.seed), emit)

    def insight(self) -> Insight | None:
        """What the session can say of itself; None in a study, where it must not."""
        if self.taste is None or self.session.info.made_of.study:
            return None
        return Insight(self.session.info, self.taste, self._selector)

    async def _selecting(self) -> Selector:
        """What chooses slates that are not chosen yet: nothing that a finished session could lack."""
        info = self.session.info
        if info.status is SessionStatus.FINISHED:
            return _AllChosen(info.made_of.settings.form)
        return self._selector(await self._learner())

    def _selector(self, learner: TasteLearner | None) -> Selector:
        made_of = self.session.info.made_of
        return make_selector(
            made_of.selector,
            made_of.settings.form,
            self.models.valuer,
            learner,
            lambda model: self.calibration,
        )

    async def _learner(self) -> TasteLearner | None:
        """Who judges by taste, if that is what selects."""
        info = self.session.info
        if self.taste is None or not SelectorName.parse(info.made_of.selector).learns:
            return None
        return await self.taste.learner(info)

    def _rater(self) -> User:
        made_of = self.session.info.made_of
        make = self.models.study_rater if made_of.study else self.models.rater
        return make(made_of.user, made_of.seed)


@dataclass(frozen=True)
class _AllChosen:
    """The selector of a finished session, which only tells again what it has shown."""

    written: CandidateForm
    name = "none"

    def form(self, columns: int) -> CandidateForm:
        """What was written."""
        return self.written

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Refuse (`StorageError`): the record lacks what it cannot lack."""
        raise StorageError("a slate of this session is lost", "begin it again with its prompt and seed")


@asynccontextmanager
async def begun(
    new: NewSession,
    config: Configuration,
    note: Note,
    launched: Launched | None = None,
    previews: bool = False,
) -> AsyncIterator[Opened]:
    """Begin a session, unless its models cannot be started; everything is closed when the block ends.

    A worker that was `launched` ahead is used if it is the one that the session needs. With `previews` images
    are shown while they are painted.
    """
    worker = worker_for(config, config.profile, note, previews=previews)
    if launched is not None:
        worker.take_over(launched)
    try:
        with ExitStack() as stack:
            store = stack.enter_context(await asyncio.to_thread(Store, config.paths.data))
            taste = _taste(config, config.profile, worker)
            await asyncio.to_thread(_refuse_unreadable, taste, new)
            weighed = await _weighed(new.selector, config.profile, note)
            await _tell_foreign_types(new.selector, config.profile, note)
            await worker.start()
            # a store that another process has locked is waited for
            session = stack.enter_context(await asyncio.to_thread(begin_session, store, new))
            _name_unknown_words(session, config.profile, note)
            if line := selector_note(config, new):
                note(line)
            yield Opened(session, worker, taste, weighed)
    finally:
        await worker.close()


@asynccontextmanager
async def resumed(
    request: Request, config: Configuration, note: Note, previews: bool = False
) -> AsyncIterator[Opened]:
    """Take up the session that `request.resume` names; its models start while what it holds is told."""
    with ExitStack() as stack:
        store = stack.enter_context(await asyncio.to_thread(Store, config.paths.data))
        found = store.find(request.resume or "")
        refuse_contradictions(request, found)
        profile = load_profile(found.made_of.profile, config.paths)
        worker = worker_for(replace(config, profile=profile), profile, note, previews=previews)
        finished = found.status is SessionStatus.FINISHED
        starting = asyncio.create_task(_started(worker, not finished))
        try:
            session = stack.enter_context(await asyncio.to_thread(resume_session, store, found.id))
            weighed = ASSUMED
            if not finished:
                weighed = await _weighed(found.made_of.selector, profile, note)
                await _tell_foreign_types(found.made_of.selector, profile, note)
            yield Opened(session, worker, _taste(config, profile, worker), weighed)
        finally:
            starting.cancel()
            await worker.close()


def _taste(config: Configuration, profile: Profile, worker: Worker) -> TasteOfSession:
    return TasteOfSession(TasteShelf(config.paths.data), profile, RememberedTexts(worker.embed_texts))


def _refuse_unreadable(taste: TasteOfSession, new: NewSession) -> None:
    """Refuse a session that would go by a taste of another CLIP, or by a damaged one."""
    if SelectorName.parse(new.selector).learns:
        taste.check(new)


async def _weighed(selector: str, profile: Profile, note: Note) -> ValueCalibration:
    """How the value model that a selector names is weighed beside the taste.

    A calibration of other models counts for nothing, which `note` is told. Raises `ModelUnavailable`.
    """
    name = SelectorName.parse(selector)
    if not (name.learns and name.valued):
        return ASSUMED
    model = Path(name.model) if name.model else profile.value_model
    try:
        return await asyncio.to_thread(fitting_calibration, model, profile)
    except StaleCalibration as error:
        note(f"{error}; until it is measured again (pasta taste calibrate) assumed numbers weigh it")
        return ASSUMED


async def _tell_foreign_types(selector: str, profile: Profile, note: Note) -> None:
    """Tell where a taste begins with types of another user model. Raises `ModelUnavailable`."""
    if SelectorName.parse(selector).learns and (line := await asyncio.to_thread(foreign_types, profile)):
        note(line)


async def _started(worker: Worker, needed: bool) -> None:
    """Start the worker ahead of the first call, which tells what is wrong if this fails."""
    if needed:
        with suppress(Exception):
            await worker.start()


def _name_unknown_words(session: Session, profile: Profile, note: Note) -> None:
    words = unknown_words(session.info.made_of.prompt, load_vocabulary(profile.vocabulary))
    if words:
        note(f"the {profile.name} models have never seen: {', '.join(words)}; they paint the rest")
