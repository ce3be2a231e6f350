"""How well a model orders several images of one prompt: Spearman's rho of §6.2, and HPDv2's accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pasta_core.evaluation.metric import Metric, clustered_mean
from pasta_core.evaluation.preferences import Array, ScoredRanking, log_preferences, posterior
from pasta_core.seeds import derive_seed

__all__ = [
    "POSTERIOR_IMAGES",
    "average_ranks",
    "inversion_accuracy",
    "ranking_spearman",
    "spearman",
    "strict_pair_accuracy",
]

POSTERIOR_IMAGES = 3
"""Images of a list whose order the posterior sees (§6.2)."""


def average_ranks(values: Array) -> Array:
    """Ranks (n, ...) of few values along the first axis, 1 = smallest; equal ones share their mean rank."""
    smaller = (values[:, None] > values[None]).sum(1)
    equal = (values[:, None] == values[None]).sum(1)
    return np.asarray(smaller + (equal + 1) / 2, np.float64)


def spearman(columns: Array, values: Array) -> Array:
    """Spearman's rank correlation (1904) of each column of (n, K) with values (n,): Pearson's of the ranks.

    Returns (K,), 0 where either has no order at all.
    """
    one, other = average_ranks(columns), average_ranks(values)
    one, other = one - one.mean(0), other - other.mean()
    lengths = np.sqrt((one**2).sum(0) * (other @ other))
    products: Array = other @ one
    return products / np.where(lengths > 0, lengths, np.inf)


def ranking_spearman(rankings: Sequence[ScoredRanking], prior: Array, seed: int = 0) -> Metric:
    """The rank correlation of §6.2: three sampled images make the posterior, the others are ordered.

    Each type's correlation with the true order counts by its posterior. The same three images are sampled for
    every ranking of an item. Items with fewer than two other images are left out; chance is 0. The interval
    is over items.
    """
    values, items = [], []
    for ranking in rankings:
        count = len(ranking.ranks)
        if count < POSTERIOR_IMAGES + 2:
            continue
        rng = np.random.default_rng(derive_seed(seed, "posterior images", ranking.item))
        sampled = rng.choice(count, POSTERIOR_IMAGES, replace=False)
        others = np.setdiff1d(np.arange(count), sampled)
        weights = posterior(prior, _pair_log_likelihoods(ranking, sorted(sampled.tolist())))
        values.append(float(weights @ spearman(ranking.scores[others], -ranking.ranks[others])))
        items.append(ranking.item)
    return clustered_mean(values, items, np.zeros(len(values)), seed)


def inversion_accuracy(rankings: Sequence[ScoredRanking], prior: Array, seed: int = 0) -> Metric:
    """HPDv2's accuracy (Wu et al. 2023, `inversion_score`): the mean share of an item's pairs not inverted.

    No rater is known, so a type's score counts by its prior. Truly equal ranks are never inverted, as theirs.
    Equal scores, which their argsort decides by position, count half. Chance inverts half of what can be.
    """
    values, chances = [], []
    for ranking in rankings:
        judged, true = _orders(ranking.scores @ prior, ranking.ranks)
        if len(true):
            inverted = np.where(judged * true < 0, 1.0, np.where((judged == 0) & (true != 0), 0.5, 0.0))
            values.append(1 - inverted.mean())
            chances.append(1 - (true != 0).mean() / 2)
    return clustered_mean(values, range(len(values)), chances, seed)


def strict_pair_accuracy(rankings: Sequence[ScoredRanking], prior: Array, seed: int = 0) -> Metric:
    """ImageReward's accuracy (Xu et al. 2023, Table 3): the share of untied pairs in the right order.

    Equal scores are wrong. The mean is over pairs, the interval over items.
    """
    values: list[float] = []
    items: list[str] = []
    for ranking in rankings:
        judged, true = _orders(ranking.scores @ prior, ranking.ranks)
        right = judged[true != 0] == true[true != 0]
        values += right.astype(np.float64).tolist()
        items += [ranking.item] * len(right)
    return clustered_mean(values, items, np.full(len(values), 0.5), seed)


def _orders(scores: Array, ranks: Array) -> tuple[Array, Array]:
    """For each pair of images whether the first is better (1), equal (0) or worse (-1): judged, and true."""
    first, second = np.triu_indices(len(ranks), 1)
    return np.sign(scores[first] - scores[second]), np.sign(ranks[second] - ranks[first])


def _pair_log_likelihoods(ranking: ScoredRanking, places: Sequence[int]) -> Array:
    """log sigma^pref (3, K) of the pairs that a few images of a ranking make."""
    pairs = list(combinations(places, 2))
    differences = np.array([ranking.scores[i] - ranking.scores[j] for i, j in pairs])
    labels = np.array([(1 + np.sign(ranking.ranks[j] - ranking.ranks[i])) / 2 for i, j in pairs])
    return log_preferences(differences, labels)
