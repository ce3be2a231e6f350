"""A rollout's recorder on the session store: it writes in a thread, so that no disk holds up the events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pasta_core.domain import Candidate, Choice, Image, NoneOfThese, Slate, Swap
from pasta_core.events import Event, Note
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import SessionStatus, StoredTurn
from pasta_core.sessions.store import Store
from pasta_core.simulation.recorder import Painting, Spot, TurnState

__all__ = ["StoreRecorder"]


class StoreRecorder:
    """Records one session; images whose files are lost or damaged are told and left for painting again."""

    def __init__(self, store: Store, session: str, emit: Callable[[Event], None]) -> None:
        self._store = store
        self._session = session
        self._emit = emit
        self._lost: dict[tuple[int, int, Painting], str] = {}

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

    async def save_image(self, spot: Spot, image: Image) -> Path:
        path = await asyncio.to_thread(self._store.save_image, self._session, spot, image)
        before = self._lost.pop((spot.turn, spot.proposal, spot.painting), image.sha256)
        if before != image.sha256:
            place = f"turn {spot.turn}, column {spot.column + 1}, image {spot.index + 1}"
            self._emit(Note(f"{place} was painted again and differs from the one that was lost"))
        return path

    async def save_swap(self, turn: int, swap: Swap) -> None:
        await asyncio.to_thread(self._store.save_swap, self._session, turn, swap)

    async def save_refusal(self, turn: int, refusal: NoneOfThese) -> None:
        await asyncio.to_thread(self._store.save_refusal, self._session, turn, refusal)

    async def save_choice(self, turn: int, choice: Choice) -> None:
        await asyncio.to_thread(self._store.save_choice, self._session, turn, choice)

    async def finish(self) -> None:
        await asyncio.to_thread(self._store.set_status, self._session, SessionStatus.FINISHED)

    def _state(self, turn: StoredTurn) -> TurnState:
        refused = tuple(self._proposed(it, number) for number, it in enumerate(turn.refused))
        return replace(self._proposed(turn, len(refused)), refused=refused)

    def _proposed(self, turn: StoredTurn, proposal: int) -> TurnState:
        images = {}
        for painting, stored in turn.paintings.items():
            image = read_image(stored)
            if image is None:
                self._lost[turn.number, proposal, painting] = stored.sha256
            else:
                images[painting] = image
        return TurnState(
            turn.number,
            turn.candidates,
            turn.selected,
            images,
            {painting: turn.paintings[painting].path for painting in images},
            turn.choice,
            tuple(it.swap for it in turn.swaps),
            turn.refusal,
        )
