"""A rollout's recorder on the session store: it writes in a thread, so that no disk holds up the events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pasta_core.domain import Candidate, Choice, Image, Slate
from pasta_core.events import Event, Note
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import SessionStatus, StoredTurn
from pasta_core.sessions.store import Store
from pasta_core.simulation.recorder import Place, TurnState

__all__ = ["StoreRecorder"]


class StoreRecorder:
    """Records one session; images whose files are lost or damaged are told and left for painting again."""

    def __init__(self, store: Store, session: str, emit: Callable[[Event], None]) -> None:
        self._store = store
        self._session = session
        self._emit = emit
        self._lost: dict[tuple[int, Place], str] = {}

    async def load(self) -> Sequence[TurnState]:
        turns = await asyncio.to_thread(self._store.turns, self._session)
        states = [await asyncio.to_thread(self._state, turn) for turn in turns]
        if self._lost:
            count = "1 image is" if len(self._lost) == 1 else f"{len(self._lost)} images are"
            self._emit(Note(f"{count} missing or damaged and will be painted again"))
        return states

    async def save_candidates(
        self, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
    ) -> None:
        await asyncio.to_thread(self._store.save_candidates, self._session, turn, candidates, max_words, seed)

    async def save_slate(self, turn: int, slate: Slate, seed: int) -> None:
        await asyncio.to_thread(self._store.save_slate, self._session, turn, slate, seed)

    async def save_image(self, turn: int, column: int, index: int, image: Image) -> Path:
        path = await asyncio.to_thread(self._store.save_image, self._session, turn, column, index, image)
        before = self._lost.pop((turn, (column, index)), image.sha256)
        if before != image.sha256:
            place = f"turn {turn}, column {column + 1}, image {index + 1}"
            self._emit(Note(f"{place} was painted again and differs from the one that was lost"))
        return path

    async def save_choice(self, turn: int, choice: Choice) -> None:
        await asyncio.to_thread(self._store.save_choice, self._session, turn, choice)

    async def finish(self) -> None:
        await asyncio.to_thread(self._store.set_status, self._session, SessionStatus.FINISHED)

    def _state(self, turn: StoredTurn) -> TurnState:
        images = {}
        for place, stored in turn.images.items():
            image = read_image(stored)
            if image is None:
                self._lost[turn.number, place] = stored.sha256
            else:
                images[place] = image
        paths = {place: turn.images[place].path for place in images}
        return TurnState(turn.number, turn.candidates, turn.slate, images, paths, turn.choice)
