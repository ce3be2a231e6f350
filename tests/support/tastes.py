"""A small CLIP-like world for tests of tastes: texts are points, and their pictures lie in another cone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Candidate, Choice, Embedding, History, Image, Slate, Turn
from pasta_core.users.taste_picks import Pick, normalised

D = 12
START = datetime(2026, 11, 1, tzinfo=UTC)

Array = npt.NDArray[np.float64]


def text_embedding(text: str) -> Embedding:
    """A point for every text, before normalisation."""
    digest = hashlib.sha256(text.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    return np.asarray(rng.normal(size=D) + 2.0, np.float32)


async def embed_texts(texts: Sequence[str]) -> Embedding:
    """What a worker's `embed` gives."""
    return np.stack([text_embedding(text) for text in texts])


@dataclass(frozen=True, eq=False)
class World:
    """Pictures show what their texts say through `gap` (D, D), in a cone of their own, with some noise."""

    gap: Array
    noise: float = 0.05

    @classmethod
    def drawn(cls, seed: int, noise: float = 0.05) -> World:
        return cls(0.7 * np.eye(D) + 0.1 * np.random.default_rng(seed).normal(size=(D, D)), noise)

    def image(self, text: str, seed: int) -> Embedding:
        """The embedding of one picture of a text, before normalisation."""
        rng = np.random.default_rng([seed, 7])
        cone = np.linspace(3, -3, D)
        return np.asarray(
            normalised(text_embedding(text)) @ self.gap + 0.3 * cone + self.noise * rng.normal(size=D),
            np.float32,
        )

    def pick(
        self,
        session: str,
        turn: int,
        chosen: Sequence[int] = (0,),
        columns: int = 4,
        *,
        outside: bool = False,
        critique: str = "",
    ) -> Pick:
        """A pick in a slate that depends on the session and the turn."""
        prompts = (session, *(f"{session} {turn} {column}" for column in range(columns)))
        images = [
            normalised(np.stack([self.image(text, 10 * n + m) for m in range(4)])).mean(0)
            for n, text in enumerate(prompts)
        ]
        asked = normalised(text_embedding(f"{session}, {critique}")) if critique else None
        return Pick(
            session,
            turn,
            START + timedelta(days=turn),
            prompts,
            np.stack(images),
            normalised(np.stack([text_embedding(text) for text in prompts])),
            tuple(chosen),
            outside,
            critique,
            asked,
        )

    def history(self, prompt: str, turns: int, columns: int = 4, images: int = 2) -> History:
        """A history in which column 1 was chosen every time."""
        history = History(prompt, tuple(self._images(prompt, 0, images)))
        for number in range(1, turns + 1):
            written = tuple(Candidate(f"{prompt} {number} {n}", f"kind {n}") for n in range(columns))
            painted = tuple(
                tuple(self._images(it.prompt, 100 * number + 10 * n, images)) for n, it in enumerate(written)
            )
            slate = Slate(tuple(range(columns)))
            history = history.extended(Turn(number, written, slate, painted, Choice(1)))
        return history

    def _images(self, text: str, seed: int, count: int) -> list[Image]:
        blank = np.zeros((1, 1, 3), np.uint8)
        return [Image(seed + n, blank, self.image(text, seed + n)) for n in range(count)]
