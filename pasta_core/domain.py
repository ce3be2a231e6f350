"""The words of §2.2 as frozen data, and the protocols that a rollout is written against."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "Answer",
    "Candidate",
    "CandidateForm",
    "Choice",
    "Comparison",
    "Embedding",
    "History",
    "Image",
    "NoneOfThese",
    "PaintedImage",
    "Painter",
    "Pixels",
    "Progress",
    "Refusal",
    "Selector",
    "Slate",
    "Swap",
    "Trajectory",
    "Turn",
    "TurnRating",
    "User",
    "Writer",
]

Pixels = npt.NDArray[np.uint8]
Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt expansion the writer proposes, and the category it was written under (App. E.2)."""

    prompt: str
    category: str


@dataclass(frozen=True, slots=True)
class CandidateForm:
    """What the writer is asked for: `categories` named groups of `per_category` prompts each.

    One category is the direct form: the writer is asked for exactly the prompts that will be shown, which
    is the baseline of §4.1.
    """

    categories: int = 5
    per_category: int = 5

    @property
    def total(self) -> int:
        """L_C, how many candidates come back."""
        return self.categories * self.per_category

    @property
    def direct(self) -> bool:
        return self.categories == 1


@dataclass(frozen=True, eq=False)
class Image:
    """One painted image: the seed of its noise, its RGB pixels and its CLIP embedding.

    `pixels` has shape (height, width, 3); `embedding` is CLIP's image output before normalisation (D.4),
    shape (d,), or None where no encoder ran.
    """

    seed: int
    pixels: Pixels
    embedding: Embedding | None = None

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the RGB bytes, the image's identity everywhere."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Slate:
    """Which candidates are shown: indices into the turn's candidates, one per column, in shown order.

    `values` are the selector's predicted prompt values in the same order, where it has any, and `all_values`
    those of all the turn's candidates, shown or not, in the order they were written.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...] | None = None
    all_values: tuple[float, ...] | None = None

    def swapped(self, swap: Swap) -> Slate:
        """The slate with another candidate in one column.

        Where only the shown ones have values, and so the new one has none, the slate has none any more.
        """
        indices = tuple(
            swap.candidate if column == swap.column else index for column, index in enumerate(self.indices)
        )
        known = self.all_values
        return Slate(indices, None if known is None else tuple(known[index] for index in indices), known)


@dataclass(frozen=True, slots=True)
class Choice:
    """The column (0-based) that the user prefers, with an optional critique of at most 12 words."""

    column: int
    critique: str = ""


@dataclass(frozen=True, slots=True)
class NoneOfThese:
    """The answer that refuses the whole slate: the turn is proposed again. With an optional critique."""

    critique: str = ""


@dataclass(frozen=True, slots=True)
class Swap:
    """The wish to see a candidate that is not shown (its index) in a column (0-based) of the same slate."""

    column: int
    candidate: int


Answer = Choice | NoneOfThese | Swap
"""What a person may say to a slate; only a choice ends the turn."""


class Comparison(StrEnum):
    """How a turn's images are rated against those of the turn before (App. B.2, question 4)."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class TurnRating:
    """What a rater answers about one turn in the evaluation phase (App. B.2).

    `preferred` is the reconfirmed column (0-based), `column_scores` one satisfaction of 1 to 5 per column,
    `score` that of the whole turn; `comparison` is None on turn 1, which has nothing before it.
    """

    preferred: int
    column_scores: tuple[int, ...]
    score: int
    comparison: Comparison | None = None
    rationale: str = ""


@dataclass(frozen=True)
class Turn:
    """One turn: what was written, what was shown, what was painted and what was chosen.

    `columns[l][m]` is image m of the slate's prompt l. `choice` is None until the user has chosen.
    """

    number: int
    candidates: tuple[Candidate, ...]
    slate: Slate
    columns: tuple[tuple[Image, ...], ...] = ()
    choice: Choice | None = None

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The slate's candidates, in shown order."""
        return tuple(self.candidates[index] for index in self.slate.indices)

    @property
    def chosen(self) -> Candidate | None:
        return None if self.choice is None else self.shown[self.choice.column]


@dataclass(frozen=True)
class Refusal:
    """A slate that was refused as a whole: its turn as it was on the screen, without a choice."""

    turn: Turn
    critique: str = ""


@dataclass(frozen=True)
class History:
    """h_t of §2.3: the initial prompt, its images (turn 0), and every finished turn.

    `refusals` are the slates that were refused on the way, oldest first, those of the turn at hand included.
    They are no part of h_t: a taste learns from them, the writer and the value model never see them.
    """

    initial_prompt: str
    initial_images: tuple[Image, ...] = ()
    turns: tuple[Turn, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def current_prompt(self) -> str:
        """The prompt that the next turn expands: the last chosen one, at first the initial one."""
        chosen = self.turns[-1].chosen if self.turns else None
        return self.initial_prompt if chosen is None else chosen.prompt

    @property
    def path(self) -> tuple[str, ...]:
        """The chosen prompts so far, oldest first, without the initial one."""
        return tuple(turn.chosen.prompt for turn in self.turns if turn.chosen is not None)

    def extended(self, turn: Turn) -> History:
        """The history one finished turn later."""
        return replace(self, turns=(*self.turns, turn))

    def refusing(self, refusal: Refusal) -> History:
        """The history one refused slate later."""
        return replace(self, refusals=(*self.refusals, refusal))


@dataclass(frozen=True)
class Trajectory:
    """A whole rollout: its history, who the user was, and the reward of each turn (empty if unknown)."""

    history: History
    user: str
    seed: int
    rewards: tuple[float, ...] = ()


@dataclass(frozen=True)
class PaintedImage:
    """An image that has just been finished, and its place in the slate.

    A `preview` shows what it will be, smaller and before it is finished; who did not ask for any gets none.
    """

    column: int
    index: int
    image: Image
    preview: bool = False


Progress = Callable[[int, int], None]
"""Called with (done, total) while a step runs."""


class Writer(Protocol):
    """The candidate generator pi_C of §3.1."""

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write `form.total` distinct candidates of at most `max_words` words, ordered by category."""
        ...


class Selector(Protocol):
    """The candidate selector pi_S of §3.1."""

    @property
    def name(self) -> str: ...

    def form(self, columns: int) -> CandidateForm:
        """What the writer must be asked for when `columns` prompts are to be shown."""
        ...

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Choose `columns` of the candidates, at most one per category unless the form is direct."""
        ...


class Painter(Protocol):
    """The text-to-image model G of §2.2."""

    def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        """Paint `seeds[l][m]` for every prompt l and image m, in slate order, each from its own noise."""
        ...


class User(Protocol):
    """Whoever chooses: a person, a planted rater or a simulated user. Only persons do anything but choose."""

    async def choose(self, history: History, turn: Turn) -> Answer:
        """Answer the painted turn (its `choice` is None), given what came before it."""
        ...
