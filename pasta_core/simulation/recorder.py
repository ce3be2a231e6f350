"""Where the steps of a rollout become durable: the protocol, and the recorder that keeps them in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pasta_core.domain import Candidate, Choice, Image, NoneOfThese, Slate, Swap

__all__ = ["MemoryRecorder", "Painting", "Place", "Recorder", "Spot", "TurnState"]

Place = tuple[int, int]
"""The column and the index in it of one image, both 0-based."""

Painting = tuple[int, int]
"""The index of a candidate and which of its images, both 0-based: a column may show one after another."""


@dataclass(frozen=True)
class Spot:
    """Where one image belongs: the turn and its proposal, the column it is shown in, and what it shows."""

    turn: int
    column: int
    index: int
    candidate: int = 0
    proposal: int = 0

    @property
    def painting(self) -> Painting:
        return self.candidate, self.index


@dataclass(frozen=True)
class TurnState:
    """What is durable of one turn: any prefix of written, selected, painted, swapped, and how that ended.

    `slate` is the one that was selected; `swaps` were made in it since. A slate that was refused has a
    `refusal`, and lies in `refused` of the proposal that followed it, oldest first. Turn 0 has only images,
    of candidate 0. An image that is lost or damaged is missing from `images`, whatever came after it.
    """

    number: int
    candidates: tuple[Candidate, ...] = ()
    slate: Slate | None = None
    images: Mapping[Painting, Image] = field(default_factory=lambda: MappingProxyType({}))
    paths: Mapping[Painting, Path] = field(default_factory=lambda: MappingProxyType({}))
    choice: Choice | None = None
    swaps: tuple[Swap, ...] = ()
    refusal: NoneOfThese | None = None
    refused: tuple[TurnState, ...] = ()

    @property
    def answers(self) -> tuple[Swap | NoneOfThese | Choice, ...]:
        """What was said to the slate, in order."""
        ends = (self.refusal, self.choice)
        return (*self.swaps, *(end for end in ends if end is not None))

    @property
    def proposals(self) -> tuple[TurnState, ...]:
        """The slates that were refused before, and this one."""
        return (*self.refused, replace(self, refused=()))

    def refusing(self, refusal: NoneOfThese) -> TurnState:
        """The turn once its slate is refused: nothing of the next proposal is there yet."""
        return TurnState(self.number, refused=(*self.refused, replace(self, refusal=refusal, refused=())))


class Recorder(Protocol):
    """Makes each finished step of one rollout durable; a method that has returned has done so.

    What is saved for a turn belongs to its latest proposal, but for images, which say where they belong.
    """

    async def load(self) -> Sequence[TurnState]:
        """The turns begun so far, oldest first, turn 0 included."""
        ...

    async def save_candidates(
        self, turn: int, candidates: Sequence[Candidate], max_words: int, seed: int
    ) -> None: ...

    async def save_slate(self, turn: int, slate: Slate, seed: int) -> None: ...

    async def save_image(self, spot: Spot, image: Image) -> Path | None:
        """Keep one image, replacing the one in its place; returns its file, if it keeps files."""
        ...

    async def save_swap(self, turn: int, swap: Swap) -> None:
        """Let a column show another candidate; the images of the one before are kept with it."""
        ...

    async def save_refusal(self, turn: int, refusal: NoneOfThese) -> None:
        """The slate is refused; what is saved for the turn from now on is another proposal."""
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

    async def save_image(self, spot: Spot, image: Image) -> Path | None:
        state = self._turn(spot.turn)
        proposals = list(state.proposals)
        proposal = proposals[spot.proposal]
        proposals[spot.proposal] = replace(proposal, images={**proposal.images, spot.painting: image})
        *refused, latest = proposals
        self._turns[spot.turn] = replace(latest, refused=tuple(refused))
        return None

    async def save_swap(self, turn: int, swap: Swap) -> None:
        state = self._turn(turn)
        self._turns[turn] = replace(state, swaps=(*state.swaps, swap))

    async def save_refusal(self, turn: int, refusal: NoneOfThese) -> None:
        self._turns[turn] = self._turn(turn).refusing(refusal)

    async def save_choice(self, turn: int, choice: Choice) -> None:
        self._turns[turn] = replace(self._turn(turn), choice=choice)

    async def finish(self) -> None:
        self.finished = True

    def _turn(self, number: int) -> TurnState:
        return self._turns.get(number) or TurnState(number)
