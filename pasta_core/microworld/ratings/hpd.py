"""Planted ratings as HPD v2: pairs of train prompts ranked once, test prompts ranked by ten annotators."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.domain import Pixels
from pasta_core.errors import InvalidInput
from pasta_core.files import appearing, make_directory, write_atomically
from pasta_core.microworld.ratings.answers import Panel, Verdicts
from pasta_core.microworld.ratings.images import write_tar
from pasta_core.microworld.ratings.pool import Pool, PoolPlan
from pasta_core.microworld.ratings.population import Member, Population
from pasta_core.seeds import derive_seed

__all__ = ["plans", "write"]

TRAIN_GROUP = 4
"""Images of a train prompt; its six pairs have one annotator."""

TEST_GROUP = 10
"""Images of every fourth test prompt, the others have one less."""

ANNOTATORS = 10
RANKED_BY_EACH = 5
"""Test prompts that each test rater ranks, about."""


def plans(population: Population, labels: int, images: int | None, seed: int) -> tuple[PoolPlan, ...]:
    """The pools that are needed: train prompts of their own for every rater, as nobody names raters there."""
    needed = len(population.of("train")) * _groups(labels)
    prompts = needed if images is None else images // TRAIN_GROUP
    if prompts < needed:
        raise InvalidInput(
            f"{images} images are too few: {needed} prompts of {TRAIN_GROUP} images are ranked once each",
            f"use --images {needed * TRAIN_GROUP} or more, or fewer raters or labels",
        )
    raters = len(population.of("test"))
    tests = max(1, raters * RANKED_BY_EACH // min(ANNOTATORS, raters))
    return PoolPlan("train", prompts, TRAIN_GROUP, seed), PoolPlan("test", tests, TEST_GROUP, seed)


def _groups(labels: int) -> int:
    """How many train prompts a rater ranks for about so many pairs."""
    return max(1, round(labels / len(list(combinations(range(TRAIN_GROUP), 2)))))


def write(
    population: Population, panels: Mapping[str, Panel], labels: int, seed: int, out: Path
) -> dict[str, str]:
    """Write `train.json`, `test.json` and an archive of images for each; returns what raters are called."""
    make_directory(out)
    _write_json(out / "train.json", list(_pairs(population, panels["train"], labels, seed)))
    _write_json(out / "test.json", list(_rankings(population, panels["test"], seed)))
    for split, panel in panels.items():
        with appearing(out / f"{split}.tar") as file:
            write_tar(file, _members(panel.pool))
    named = {member.spec: f"hpd:{_hash(member)}" for member in population.of("test")}
    # Nobody is named in the train split.
    return {member.spec: named.get(member.spec, "") for member in population.members}


def _pairs(population: Population, panel: Panel, labels: int, seed: int) -> Iterator[dict[str, Any]]:
    prompt = 0
    for member in population.of("train"):
        rater = population.rater(member)
        verdicts = Verdicts(rater, seed)
        for _ in range(_groups(labels)):
            ranks = verdicts.rank(panel.utilities(rater, prompt))
            for first, second in combinations(range(TRAIN_GROUP), 2):
                won = ranks[first] < ranks[second]
                yield {
                    "human_preference": [int(won), int(not won)],
                    "prompt": panel.pool.prompts[prompt],
                    "file_path": [_file(panel.pool, prompt, picture) for picture in (first, second)],
                }
            prompt += 1


def _rankings(population: Population, panel: Panel, seed: int) -> Iterator[dict[str, Any]]:
    members = population.of("test")
    raters = [population.rater(member) for member in members]
    verdicts = [Verdicts(rater, seed) for rater in raters]
    rng = np.random.default_rng(derive_seed(seed, "annotators"))
    for prompt, text in enumerate(panel.pool.prompts):
        size = TEST_GROUP if prompt % 4 == 3 else TEST_GROUP - 1
        chosen = sorted(rng.choice(len(members), size=min(ANNOTATORS, len(members)), replace=False))
        ranks = [verdicts[number].rank(panel.utilities(raters[number], prompt)[:size]) for number in chosen]
        rank = np.empty(size, np.int64)
        rank[np.argsort(np.mean(ranks, axis=0), kind="stable")] = np.arange(1, size + 1)
        yield {
            "prompt": text,
            "image_path": [_file(panel.pool, prompt, picture) for picture in range(size)],
            "rank": [int(place) for place in rank],
            "raw_annotations": [
                {"rank": list(own), "user_hash": _hash(members[number])}
                for number, own in zip(chosen, ranks, strict=True)
            ],
        }


def _file(pool: Pool, prompt: int, picture: int) -> str:
    digits = 8 if pool.split == "train" else 5
    return f"{prompt * pool.per_prompt + picture:0{digits}d}.jpg"


def _members(pool: Pool) -> Iterator[tuple[str, Pixels]]:
    for prompt in range(len(pool.prompts)):
        for picture in range(pool.per_prompt):
            yield f"{pool.split}/{_file(pool, prompt, picture)}", pool.pixels[prompt, picture]


def _hash(member: Member) -> str:
    return hashlib.sha256(member.spec.encode()).hexdigest()[:16]


def _write_json(path: Path, entries: list[dict[str, Any]]) -> None:
    write_atomically(path, json.dumps(entries).encode())
