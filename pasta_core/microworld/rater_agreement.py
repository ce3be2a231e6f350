"""How honest the planted raters are: agreement with each other and with themselves, and unsaid taste."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Pixels
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.grammar import Attributes, sample_scene
from pasta_core.microworld.raters import PlantedRater, RaterSheet, Sight
from pasta_core.microworld.statistics import pixel_statistics
from pasta_core.seeds import derive_seed

__all__ = ["Agreement", "measure_agreement", "usual_statistics"]

FAITHFUL = 0.85
"""Chance that a picture of a pair shows an attribute that the prompt says."""


@dataclass(frozen=True)
class Agreement:
    """Shares of pairs on which two raters, or one twice, agree, and of taste variance no caption tells."""

    between_raters: float
    with_oneself: float
    unsaid_share: float


def usual_statistics(eyes: Eyes, pictures: Pixels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fit drawn pictures' pixel statistics to what the eyes see: (48, 4), and the residual's spread."""
    seen = np.concatenate(eyes.probabilities(pictures), axis=-1).astype(np.float64)
    measured = pixel_statistics(pictures)
    design = np.concatenate([seen, np.ones((len(seen), 1))], axis=-1)
    # Each attribute's probabilities sum to one, so a little ridge picks one of many equal solutions.
    ridge = np.eye(design.shape[1]) * 1e-3 * len(seen) / 100
    usual = np.linalg.solve(design.T @ design + ridge, design.T @ measured)
    return usual, (measured - design @ usual).std(axis=0)


def measure_agreement(sheet: RaterSheet, eyes: Eyes, pairs: int, seed: int) -> Agreement:
    """Draw pairs of pictures for random prompts and let individuals of all archetypes judge them."""
    rng = random.Random(derive_seed(seed, "agreement"))
    prompts, pictures = _pairs(rng, pairs)
    between, oneself, unsaid = [], [], []
    raters = [
        PlantedRater(sheet, archetype, 10_000 + number, eyes)
        for archetype in sheet.seen
        for number in range(3)
    ]
    sights = [sheet.look(eyes, pictures[:, side]) for side in (0, 1)]
    faithful = [
        np.array([raters[0].fidelity(prompt, _row(sight, index))[0] for index, prompt in enumerate(prompts)])
        for sight in sights
    ]
    judgements = []
    for rater in raters:
        said = [rater.said_taste(sight) for sight in sights]
        hidden = [rater.unsaid_taste(sight) for sight in sights]
        variance_said, variance_hidden = np.var(np.concatenate(said)), np.var(np.concatenate(hidden))
        unsaid.append(variance_hidden / (variance_said + variance_hidden))
        scale = sheet.population["fidelity"]
        first, second = (scale * f + s + h for f, s, h in zip(faithful, said, hidden, strict=True))
        judgements.append(
            [_judge(rater, first, second, derive_seed(seed, rater.archetype.name, n)) for n in (0, 1)]
        )
    order = list(range(len(raters)))
    rng.shuffle(order)
    for one, other in [*pairwise(order), (order[-1], order[0])]:
        between.append(np.mean(judgements[one][0] == judgements[other][1]))
    for twice in judgements:
        oneself.append(np.mean(twice[0] == twice[1]))
    return Agreement(float(np.mean(between)), float(np.mean(oneself)), float(np.mean(unsaid)))


def _row(sight: Sight, index: int) -> Sight:
    return Sight(sight.values[index : index + 1], sight.unusual[index : index + 1])


def _judge(
    rater: PlantedRater, first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.bool_]:
    numbers = rater.sheet.population
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-(first - second) / numbers["choice_temperature"]))
    chance = (1 - numbers["lapse"]) * chance + numbers["lapse"] / 2
    return np.asarray(rng.random(len(chance)) < chance)


def _pairs(rng: random.Random, count: int) -> tuple[list[str], Pixels]:
    """Prompts, and for each two pictures (count, 2, 64, 64, 3) that mostly show what it says."""
    prompts, pictures = [], []
    for index in range(count):
        said = sample_mention(rng, sample_scene(rng), 0.4)
        prompts.append(caption(said, rng))
        pictures.append([draw(sample_scene(rng, _drifted(said, rng)), index * 2 + side) for side in (0, 1)])
    return prompts, np.array(pictures, np.uint8)


def _drifted(said: Attributes, rng: random.Random) -> Attributes:
    kept = {name: value for name, value in said.known().items() if rng.random() < FAITHFUL}
    return Attributes(**dict(list(kept.items())[:5]))
