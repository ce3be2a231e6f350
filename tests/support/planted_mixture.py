"""Raters with known types in a CLIP-like space, made with NumPy: what EM must find again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.training.embedded_labels import ArrayTable, EmbeddedLabels


@dataclass(frozen=True)
class Mixture:
    """How many raters of how many types give how many labels each."""

    types: int = 4
    raters: int = 400
    pairs: int = 24
    ratings: int = 0
    dimension: int = 32
    images: int = 4000
    prompts: int = 200
    taste: float = 4.0
    """Standard deviation of a type's utility over images, in logits."""
    fidelity: float = 1.0
    """The same of what all types like alike: that the image fits the prompt."""
    seed: int = 0


@dataclass(frozen=True)
class Planted:
    """The labels, each rater's true type (g,), and the true utility (n, 2) of each label's images."""

    labels: EmbeddedLabels
    types: npt.NDArray[np.int64]
    utilities: npt.NDArray[np.float64]


def plant(mixture: Mixture) -> Planted:
    """Draw a population: images scatter around their prompts, a type likes a direction of the space."""
    rng = np.random.default_rng(mixture.seed)
    d, raters, count = mixture.dimension, mixture.raters, mixture.pairs + mixture.ratings
    prompts = rng.normal(size=(mixture.prompts, d))
    of_prompt = rng.integers(0, mixture.prompts, mixture.images)
    images = 0.6 * prompts[of_prompt] + rng.normal(size=(mixture.images, d))
    tastes = np.linalg.qr(rng.normal(size=(d, mixture.types)))[0].T
    fit = _standard((_unit(images) * _unit(prompts)[of_prompt]).sum(-1))
    liking = _standard(_unit(images) @ tastes.T)
    utility = mixture.fidelity * fit[:, None] + mixture.taste * liking
    types = rng.integers(0, mixture.types, raters)
    by_prompt = [np.flatnonzero(of_prompt == prompt) for prompt in range(mixture.prompts)]
    text = rng.integers(0, mixture.prompts, (raters, count))
    places = np.stack([rng.choice(by_prompt[prompt], 2, replace=False) for prompt in text.ravel()])
    first, second = places[:, 0], places[:, 1]
    of_rater = np.repeat(types, count)
    utilities = np.stack([utility[first, of_rater], utility[second, of_rater]], -1)
    wins = rng.random(len(first)) < 1 / (1 + np.exp(utilities[:, 1] - utilities[:, 0]))
    rated = np.tile(np.arange(count) >= mixture.pairs, raters)
    rating = 1 / (1 + np.exp(-utilities[:, 0] / mixture.taste)) + rng.normal(scale=0.1, size=len(first))
    labels = EmbeddedLabels(
        ArrayTable(images.astype(np.float32)),
        ArrayTable(prompts.astype(np.float32)),
        first.astype(np.int64),
        np.where(rated, -1, second).astype(np.int64),
        text.ravel().astype(np.int64),
        np.where(rated, rating.clip(0, 1), wins).astype(np.float32),
        np.ones(len(first), np.float32),
        np.ones(len(first), np.float32),
        np.arange(0, raters * count + 1, count),
    )
    return Planted(labels, types, utilities)


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def _standard(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (values - values.mean(0)) / values.std(0)
