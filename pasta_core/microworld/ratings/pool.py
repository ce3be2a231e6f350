"""The pictures that raters label: prompts, and for each several paintings of what it may mean.

As in the public data sets, the pictures of a prompt come from different hands: each is painted from its own
full caption, which shows most of what the prompt says and is free in what it leaves open.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pasta_core.domain import Painter, Pixels
from pasta_core.errors import StorageError
from pasta_core.files import make_directory, write_atomically
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.grammar import Attributes, Scene, held_out_scenes, sample_scene
from pasta_core.seeds import derive_seed

__all__ = ["Pool", "PoolPlan", "paint_pool"]

AT_ONCE = 4
"""Prompts painted in one call: what a kill can lose."""

SAID = 0.4
"""Chance that a prompt says an attribute of the scene it means."""

FAITHFUL = 0.85
"""Chance that a picture shows an attribute that its prompt says."""

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class PoolPlan:
    """A pool's name, its size, and its seed; the test split's prompts describe held-out scenes."""

    split: str
    prompts: int
    per_prompt: int
    seed: int

    @property
    def images(self) -> int:
        return self.prompts * self.per_prompt

    def texts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every prompt, no two alike, with the captions that are painted for it."""
        rng = random.Random(derive_seed(self.seed, "pool", self.split, self.per_prompt))
        held_out = held_out_scenes()
        found: dict[str, tuple[str, ...]] = {}
        while len(found) < self.prompts:
            training = self.split == "train"
            scene = sample_scene(rng) if training else rng.choice(held_out)
            said = sample_mention(rng, scene, SAID)
            prompt = caption(said, rng)
            captions = tuple(caption(_shown(said, scene, rng, training), rng) for _ in range(self.per_prompt))
            found.setdefault(prompt, captions)
        return tuple(found.items())


def _shown(said: Attributes, scene: Scene, rng: random.Random, training: bool) -> Attributes:
    """What one picture of a prompt shows: mostly what is said, anything where the prompt is silent."""
    kept = {name: value for name, value in said.known().items() if rng.random() < FAITHFUL}
    if len(kept) == len(scene.attributes.known()) and training:
        return scene.attributes
    return sample_scene(rng, Attributes(**kept), training=training).attributes


@dataclass(frozen=True)
class Pool:
    """A painted pool: `prompts` (n), and their `pixels` (n, per prompt, height, width, 3)."""

    split: str
    prompts: tuple[str, ...]
    pixels: Pixels

    @property
    def per_prompt(self) -> int:
        return int(self.pixels.shape[1])


async def paint_pool(plan: PoolPlan, painter: Painter, folder: Path, report: Report) -> Pool:
    """Paint a pool into a folder, or go on where a stopped run left off; the result is the same.

    A larger pool of the same seed begins with the smaller one. `report` is called with the pictures that are
    done and all of them. Raises what the painter raises.
    """
    make_directory(folder)
    texts = plan.texts()
    for start in range(0, plan.prompts, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, plan.prompts))
        missing = [number for number in numbers if not _path(folder, plan, number).exists()]
        for number, pixels in zip(missing, await _paint(plan, missing, texts, painter), strict=True):
            write_atomically(_path(folder, plan, number), _bytes(pixels))
        report(numbers.stop * plan.per_prompt, plan.images)
    pixels = np.stack([_read(_path(folder, plan, number)) for number in range(plan.prompts)])
    return Pool(plan.split, tuple(prompt for prompt, _ in texts), pixels)


def _path(folder: Path, plan: PoolPlan, number: int) -> Path:
    """Where the pictures of one prompt lie."""
    return folder / f"{plan.split}-{plan.seed}-{plan.per_prompt}-{number:06d}.npy"


async def _paint(
    plan: PoolPlan, numbers: Sequence[int], texts: Sequence[tuple[str, tuple[str, ...]]], painter: Painter
) -> list[Pixels]:
    """The pictures (per prompt, height, width, 3) of some prompts."""
    wanted = [(number, picture) for number in numbers for picture in range(plan.per_prompt)]
    if not wanted:
        return []
    captions = [texts[number][1][picture] for number, picture in wanted]
    seeds = [[derive_seed(plan.seed, "pool", plan.split, plan.per_prompt, *place)] for place in wanted]
    pictures: dict[int, Pixels] = {}
    async for painted in painter.paint(captions, seeds, lambda done, total: None):
        pictures[painted.column] = painted.image.pixels
    stacked = np.stack([pictures[number] for number in range(len(wanted))])
    return list(stacked.reshape(len(numbers), plan.per_prompt, *stacked.shape[1:]))


def _bytes(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()


def _read(path: Path) -> Pixels:
    try:
        pixels: Pixels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StorageError(f"{path} is damaged", "remove it: its pictures are painted again") from error
    return pixels
