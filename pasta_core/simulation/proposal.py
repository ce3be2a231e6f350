"""One slate that a turn proposes: what it shows, which images of it there are, and what may be said to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pasta_core.domain import Answer, Choice, Image, Swap, Turn
from pasta_core.errors import InvalidInput
from pasta_core.simulation.recorder import Painting, Spot, TurnState

__all__ = ["Paths", "Proposal", "check_swap"]

Paths = tuple[tuple[Path | None, ...], ...]
"""The files of a slate's images, by column."""


class Proposal:
    """A turn's slate while it is painted and asked about; `number` slates were refused before it.

    Images belong to candidates: one that is swapped out and in again shows the images that it had.
    """

    def __init__(self, turn: Turn, state: TurnState, number: int = 0) -> None:
        self.turn = turn
        self.state = state
        self.number = number
        self.paths: dict[Painting, Path | None] = dict(state.paths)
        self._images = dict(state.images)
        self._untold = dict(state.images)
        self._first = turn.slate.indices

    def spots(self, images: int) -> Iterator[Spot]:
        """Where the images of the slate belong, `images` a column, in shown order."""
        for column, candidate in enumerate(self.turn.slate.indices):
            for index in range(images):
                yield Spot(self.turn.number, column, index, candidate, self.number)

    def purpose(self, spot: Spot) -> tuple[str, int, int]:
        """What an image's seed is for: a place of the slate as it was selected, or a candidate swapped in."""
        if spot.candidate in self._first:
            return "image", self._first.index(spot.candidate), spot.index
        return "candidate", spot.candidate, spot.index

    def has(self, spot: Spot) -> bool:
        """Whether the image is there."""
        return spot.painting in self._images

    def add(self, spot: Spot, image: Image, path: Path | None) -> None:
        """Take an image that is durable."""
        self._images[spot.painting], self.paths[spot.painting] = image, path

    def untold(self, spot: Spot) -> Image | None:
        """The image of the record that belongs here, the first time that it is asked for."""
        return self._untold.pop(spot.painting, None)

    def painted(self, images: int) -> tuple[Turn, Paths]:
        """The turn with its images, `images` a column, and their files."""
        indices, shown = range(images), self.turn.slate.indices
        self.turn = replace(
            self.turn, columns=tuple(tuple(self._images[it, m] for m in indices) for it in shown)
        )
        return self.turn, tuple(tuple(self.paths.get((it, m)) for m in indices) for it in shown)

    def swap(self, swap: Swap) -> None:
        """Show another candidate in a column."""
        self.turn = replace(self.turn, slate=self.turn.slate.swapped(swap), columns=())

    def check(self, answer: Answer) -> None:
        """Refuse (`InvalidInput`) a choice of a column, or a swap of a candidate, that is not there."""
        columns = len(self.turn.slate.indices)
        if isinstance(answer, Choice | Swap) and not 0 <= answer.column < columns:
            raise InvalidInput(
                f"column {answer.column + 1} was chosen, but {columns} are shown",
                f"choose a column from 1 to {columns}",
            )
        if isinstance(answer, Swap):
            check_swap(self.turn, answer)


def check_swap(turn: Turn, swap: Swap) -> None:
    """Refuse (`InvalidInput`) a swap of a candidate that is not there, or is shown already."""
    written, name = len(turn.candidates), swap.candidate + 1
    if not 0 <= swap.candidate < written:
        raise InvalidInput(f"there is no prompt {name}", f"{written} were written for this turn")
    if swap.candidate in turn.slate.indices:
        shown = turn.slate.indices.index(swap.candidate)
        raise InvalidInput(f"prompt {name} is shown already, as column {shown + 1}")
