"""Small data sets in their publishers' layouts: drawn scenes, ranked or compared by how warm they are."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene
from pasta_core.microworld.ratings import pickapic
from pasta_core.microworld.ratings.answers import Panel
from pasta_core.microworld.ratings.build import TRUTH
from pasta_core.microworld.ratings.pool import Pool
from pasta_core.microworld.ratings.population import Population
from pasta_core.paths import find_assets

__all__ = ["write_hpd_test", "write_planted_pickapic"]


def write_hpd_test(folder: Path, groups: int, annotators: int = 2, images: int = 9) -> Path:
    """HPD v2's test split: half of the annotators like warm pictures, the others cold ones."""
    (folder / "test").mkdir(parents=True)
    rng = random.Random(0)
    entries = []
    for group in range(groups):
        names, warmth = [], []
        for index in range(images):
            pixels = draw(sample_scene(rng), group * images + index)
            name = f"{group * images + index:05d}.jpg"
            Image.fromarray(pixels).save(folder / "test" / name, format="PNG")
            names.append(name)
            warmth.append(float(pixels[..., 0].mean() - pixels[..., 2].mean()))
        own = [_ranks(warmth, warm=number % 2 == 0) for number in range(annotators)]
        entries.append(
            {
                "prompt": f"a picture {group}",
                "image_path": names,
                "rank": _ranks(np.mean(own, axis=0).tolist(), warm=False),
                "raw_annotations": [
                    {"rank": ranks, "user_hash": f"u{number}"} for number, ranks in enumerate(own)
                ],
            }
        )
    (folder / "test.json").write_text(json.dumps(entries))
    return folder


def write_planted_pickapic(
    folder: Path, population: str = "archetypes", raters: int = 16, labels: int = 16
) -> Path:
    """Pick-a-Pic's layout, labelled by planted raters, of drawn pictures; the truth lies beside it."""
    people = Population.sample(population, 8, raters, 0, find_assets())
    panels = {}
    for plan in pickapic.plans(people, labels, None, 0):
        shape = (plan.prompts, plan.per_prompt)
        rng = random.Random(plan.split)
        scenes = [[sample_scene(rng) for _ in range(shape[1])] for _ in range(shape[0])]
        pixels = np.stack([[draw(scene, number) for number, scene in enumerate(row)] for row in scenes])
        prompts = tuple(caption(sample_mention(rng, row[0], 0.4), rng) for row in scenes)
        panels[plan.split] = Panel(Pool(plan.split, prompts, pixels), people.sheet, people.eyes)
    names = pickapic.write(people, panels, labels, 0, folder)
    (folder / TRUTH).write_text(json.dumps(people.truth(names)))
    return folder


def _ranks(values: Sequence[float], warm: bool) -> list[int]:
    """Ranks from 1 = best; with `warm` the largest value is best."""
    order = np.argsort([-value if warm else value for value in values], kind="stable")
    ranks = np.empty(len(values), np.int64)
    ranks[order] = np.arange(1, len(values) + 1)
    return [int(rank) for rank in ranks]
