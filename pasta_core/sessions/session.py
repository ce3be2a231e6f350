"""The use-case that every front end calls: begin or resume a session and run it to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from pasta_core.domain import History
from pasta_core.errors import InvalidInput
from pasta_core.events import Event, Note, SessionStarted
from pasta_core.files import sweep
from pasta_core.sessions.identity import SessionLock
from pasta_core.sessions.provenance import changed_versions, versions
from pasta_core.sessions.recorder import StoreRecorder
from pasta_core.sessions.records import NewSession, SessionInfo, SessionStatus
from pasta_core.sessions.store import Store
from pasta_core.sessions.study import Study
from pasta_core.sessions.taste import KeepingRecorder, TasteOfSession
from pasta_core.simulation.rollout import Plan, Services, rollout
from pasta_core.study.questions import initial_words
from pasta_core.text import clean_prompt

__all__ = ["Services", "Session", "begin_session", "resume_session"]


_MAX_SEED = 2**63 - 1
"""What a 64-bit column holds."""


def begin_session(store: Store, new: NewSession) -> Session:
    """Begin a session.

    Raises `InvalidInput` for an empty or too long prompt (App. B.1, E.2), or a seed out of range.
    """
    if not 0 <= new.seed <= _MAX_SEED:
        raise InvalidInput(f"the seed is {new.seed}", f"choose a value from 0 to {_MAX_SEED}")
    prompt = clean_prompt(new.prompt, initial_words(new.settings.max_words, new.study))
    notes = ["control characters were removed from the prompt"] if prompt.stripped else []
    info = store.create(replace(new, prompt=prompt.text, versions=dict(new.versions) or versions()))
    return Session(store, info, store.lock(info.id), notes, resumed=False)


def resume_session(store: Store, text: str) -> Session:
    """Take up the session that `text` names (`last`, an id or its beginning), as it was begun.

    Raises `InvalidInput` if it names none or several, `StorageError` if another process works on it. A
    finished session only tells its events again.
    """
    found = store.find(text)
    lock = store.lock(found.id)
    try:
        if found.status is SessionStatus.ABANDONED:
            store.set_status(found.id, SessionStatus.ACTIVE)
        sweep(store.directory(found.id))
        info = store.get(found.id)
        finished = info.status is SessionStatus.FINISHED
        notes = [] if finished else changed_versions(info.made_of.versions, versions())
        return Session(store, info, lock, notes, resumed=True)
    except BaseException:
        lock.release()
        raise


class Session:
    """One session that this process holds: what it is made of, and the run of its rollout."""

    def __init__(
        self, store: Store, info: SessionInfo, lock: SessionLock, notes: Sequence[str], resumed: bool
    ) -> None:
        self.info = info
        self.resumed = resumed
        self._store = store
        self._lock = lock
        self._notes = tuple(notes)

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def study(self) -> Study | None:
        """The evaluation phase, if the session has one."""
        return Study(self._store, self.info) if self.info.made_of.study else None

    async def run(
        self, services: Services, emit: Callable[[Event], None], taste: TasteOfSession | None = None
    ) -> History:
        """Run the rollout from where it stands to its end; events arrive in order, each already durable.

        With a `taste`, that learns from every choice. May be cancelled, and run again, at any moment. Raises
        what `rollout` raises.
        """
        made_of = self.info.made_of
        emit(
            SessionStarted(
                self.id, made_of.prompt, made_of.seed, made_of.profile, made_of.selector, self.resumed
            )
        )
        for note in self._notes:
            emit(Note(note))
        plan = Plan(self.id, made_of.prompt, made_of.seed, made_of.settings)
        return await rollout(plan, services, self._recorder(emit, taste), emit)

    def _recorder(self, emit: Callable[[Event], None], taste: TasteOfSession | None) -> StoreRecorder:
        if taste is None or self.info.made_of.taste is None:
            return StoreRecorder(self._store, self.id, emit)
        return KeepingRecorder(self._store, self.id, emit, taste)

    def abandon(self) -> None:
        """Mark the session as given up; it can still be resumed."""
        self._store.set_status(self.id, SessionStatus.ABANDONED)

    def close(self) -> None:
        """Let other processes have the session."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
