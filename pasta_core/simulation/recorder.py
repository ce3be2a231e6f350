"""Where the steps of a rollout become durable: the protocol, and the recorder that keeps them in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pasta_core.domain import Candidate, Choice, Image, Slate

__all__ = ["MemoryRecorder", "Place", "Recorder", "TurnState"]

Place = tuple[int, int]
"""The column and the index in it of one image, both 0-based."""


@dataclass(frozen=True)
class TurnState:
    """What is durable of one turn: any prefix of written, selected, painted, chosen.

    Turn 0 has only images, in column 0. An image that is lost or damaged is missing from `images`, whatever
    came after it.
    """

    number: int
    candidates: tuple[Candidate, ...] = ()
    slate: Slate | None = None
    images: Mapping[Place, Image] = field(default_factory=lambda: MappingProxyType({}))
    paths: Mapping[Place, Path] = field(default_factory=lambda: MappingProxyType({}))
    choice: Choice | None = None


class Recorder(Protocol):
    """Makes each finished step of one rollout durable; a method that has returned has done so."""

    async def load(self) -> Sequence[TurnState]:
        """The turns begun so far, oldest first, turn 0 included."""
        ...

    async def save_candidates(
        self, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
    ) -> None: ...

    async def save_slate(self, turn: int, slate: Slate, seed: int) -> None: ...

    async def save_image(self, turn: int, column: int, index: int, image: Image) -> Path | None:
        """Keep one image, replacing the one in its place; returns its file, if it keeps files."""
        ...

    async def save_choice(self, turn: int, choice: Choice) -> None: ...

    async def finish(self) -> None:
        """The last turn's choice is kept: the rollout is complete."""
        ...


class MemoryRecorder:
    """Keeps a rollout's steps in memory, for rollouts that are written as a whole once they are complete."""

    def __init__(self, turns: Sequence[TurnState] = ()) -> None:
        self._turns = {turn.number: turn for turn in turns}
        self.finished = False

    @property
    def turns(self) -> tuple[TurnState, ...]:
        return tuple(self._turns[number] for number in sorted(self._turns))

    async def load(self) -> Sequence[TurnState]:
        return self.turns

    async def save_candidates(
        self, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
    ) -> None:
        self._turns[turn] = replace(self._turn(turn), candidates=tuple(candidates))

    async def save_slate(self, turn: int, slate: Slate, seed: int) -> None:
        self._turns[turn] = replace(self._turn(turn), slate=slate)

    async def save_image(self, turn: int, column: int, index: int, image: Image) -> Path | None:
        state = self._turn(turn)
        self._turns[turn] = replace(state, images={**state.images, (column, index): image})
        return None

    async def save_choice(self, turn: int, choice: Choice) -> None:
        self._turns[turn] = replace(self._turn(turn), choice=choice)

    async def finish(self) -> None:
        self.finished = True

    def _turn(self, number: int) -> TurnState:
        return self._turns.get(number) or TurnState(number)
