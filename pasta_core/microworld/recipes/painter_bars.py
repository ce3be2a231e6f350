"""How good the micro painter is: the eyes look at pictures of held-out scenes and name what they see."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from pasta_core.microworld.captions import caption
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.grammar import Scene, held_out_scenes
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.eyes_recipe import accuracy
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.seeds import derive_seed

__all__ = ["BARS", "paint_held_out", "painter_accuracy"]

BARS = {"subject": 0.92, "colour": 0.90, "setting": 0.90, "light": 0.90, "style": 0.92, "view": 0.85}
"""Share of held-out scenes whose attribute the eyes must name rightly in a painted picture."""

PROMPTS_AT_ONCE = 16


def prompts_of(scenes: tuple[Scene, ...], seed: int) -> list[str]:
    """One full caption for each scene, every attribute said."""
    rng = random.Random(derive_seed(seed, "prompts"))
    return [caption(scene.attributes, rng) for scene in scenes]


def paint_held_out(
    painter: DiffusersPainter, count: int, seed: int, report: Callable[[int, int], None]
) -> DrawnScenes:
    """Paint one picture for each of the first `count` held-out scenes, from a full caption."""
    scenes = held_out_scenes()[:count]
    prompts = prompts_of(scenes, seed)
    pictures: dict[int, np.ndarray] = {}
    for start in range(0, count, PROMPTS_AT_ONCE):
        group = prompts[start : start + PROMPTS_AT_ONCE]
        seeds = [[derive_seed(seed, "held-out picture", start + offset)] for offset in range(len(group))]
        for painted in painter.paint(group, seeds):
            pictures.update({start + column: pixels for column, _, pixels in painted})
        report(min(start + PROMPTS_AT_ONCE, count), count)
    pixels = np.stack([pictures[index] for index in range(count)])
    return DrawnScenes(pixels, np.array([scene.labels for scene in scenes], np.int64))


def painter_accuracy(
    painter: DiffusersPainter, eyes: Eyes, count: int, seed: int, report: Callable[[int, int], None]
) -> dict[str, float]:
    """Share of painted held-out scenes whose attribute the eyes name rightly, per attribute."""
    return accuracy(eyes, paint_held_out(painter, count, seed, report))
