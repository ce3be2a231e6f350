"""Small deterministic services that run in this process, for tests of the loop and the store themselves.

Every output is a pure function of the inputs that the real services get: history, prompts, seeds.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pasta_core.domain import (
    Answer,
    Candidate,
    CandidateForm,
    Choice,
    History,
    Image,
    NoneOfThese,
    PaintedImage,
    Progress,
    Slate,
    Swap,
    Turn,
)
from pasta_core.simulation.rollout import Services


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def paint_one(prompt: str, seed: int) -> Image:
    """An image and its embedding that depend on the prompt and the seed alone."""
    noise = np.random.default_rng([seed, int(_digest(prompt), 16)])
    pixels = noise.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image(seed, pixels, noise.normal(size=6).astype(np.float32))


@dataclass
class WordWriter:
    """Writes prompts that spell out everything they were asked with."""

    asked: list[tuple[int, int]] = field(default_factory=list)

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        self.asked.append((max_words, seed))
        context = _digest(history.initial_prompt, history.path, [t.choice for t in history.turns], max_words)
        written = []
        for category in range(form.categories):
            for index in range(form.per_category):
                name = f"prompt {_digest(context, seed, category, index)}"
                written.append(Candidate(name, f"category {category}"))
                progress(len(written), form.total)
        return tuple(written)


@dataclass
class DrawnSelector:
    """Draws one candidate of each category, and values it."""

    name: str = "drawn"

    def form(self, columns: int) -> CandidateForm:
        return CandidateForm()

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        draw = random.Random(seed)
        categories = draw.sample(range(5), columns)
        indices = tuple(5 * category + draw.randrange(5) for category in categories)
        return Slate(indices, tuple(draw.random() for _ in indices))


@dataclass
class NoisePainter:
    """Paints noise, and remembers what it was asked for."""

    asked: list[tuple[list[str], list[list[int]]]] = field(default_factory=list)

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        self.asked.append((list(prompts), [list(row) for row in seeds]))
        total = sum(len(row) for row in seeds)
        done = 0
        for column, (prompt, row) in enumerate(zip(prompts, seeds, strict=True)):
            for index, seed in enumerate(row):
                done += 1
                progress(done, total)
                yield PaintedImage(column, index, paint_one(prompt, seed))


@dataclass
class BrightnessUser:
    """Chooses the brightest column, and says so now and then."""

    async def choose(self, history: History, turn: Turn) -> Choice:
        means = [np.mean([image.pixels.mean() for image in column]) for column in turn.columns]
        return Choice(int(np.argmax(means)), "brighter still" if turn.number % 2 else "")


@dataclass
class FussyUser(BrightnessUser):
    """Refuses slates and swaps columns, always in the same places: it goes by nothing but what it is shown.

    Turn 1: none of these. Turn 2: a swap, none of these, another swap, none of these. Turn 3: two swaps.
    """

    async def choose(self, history: History, turn: Turn) -> Answer:
        before = sum(refusal.turn.number == turn.number for refusal in history.refusals)
        shown = turn.slate.indices
        wished = {(2, 0): [24], (2, 1): [0], (3, 0): [12, 3]}.get((turn.number, before), [])
        for column, candidate in enumerate(wished):
            if candidate not in shown:
                return Swap(column, candidate)
        if before < {1: 1, 2: 2}.get(turn.number, 0):
            return NoneOfThese("brighter" if before == 0 else "")
        return await super().choose(history, turn)


def small_services() -> Services:
    """A whole set of them."""
    return Services(WordWriter(), DrawnSelector(), NoisePainter(), BrightnessUser())
