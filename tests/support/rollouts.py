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
    Candidate,
    CandidateForm,
    Choice,
    History,
    Image,
    PaintedImage,
    Progress,
    Slate,
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


def small_services() -> Services:
    """A whole set of them."""
    return Services(WordWriter(), DrawnSelector(), NoisePainter(), BrightnessUser())
