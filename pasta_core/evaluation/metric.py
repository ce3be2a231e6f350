"""One measured number: its value, how sure it is, and what chance would have got on the same data."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pasta_core.seeds import derive_seed

__all__ = ["NOTHING", "Metric", "clustered_mean", "gap_closed", "gap_regained"]

Array = npt.NDArray[np.float64]

RESAMPLES = 2000
_CELLS = 4_000_000
_SURE = 0.975
"""The share of draws above 0 from which the lower end of a 95 % interval is."""


@dataclass(frozen=True)
class Metric:
    """`value` with its 95 % interval, `chance` on the same data, and `n`, how many judgements it is made of.

    Where the data has no such judgement, `n` is 0 and the others are None.
    """

    value: float | None
    ci95: tuple[float, float] | None
    chance: float | None
    n: int

    def numbers(self) -> tuple[float, float, float, float]:
        """Value, both ends of the interval and chance; `ValueError` where nothing was measured."""
        if self.value is None or self.ci95 is None or self.chance is None:
            raise ValueError("nothing was measured")
        return self.value, *self.ci95, self.chance

    def as_json(self) -> dict[str, Any]:
        """The four keys that `--json` prints."""
        interval = None if self.ci95 is None else list(self.ci95)
        return {"value": self.value, "ci95": interval, "chance": self.chance, "n": self.n}


NOTHING = Metric(None, None, None, 0)


def clustered_mean(
    values: npt.ArrayLike, clusters: Sequence[Hashable], chances: npt.ArrayLike, seed: int = 0
) -> Metric:
    """The mean of judgements (n,) with a percentile bootstrap over their clusters (raters or prompts).

    Judgements of one rater resemble each other, so whole clusters are drawn with replacement, and the
    resampled mean is the ratio of sums (Efron and Tibshirani 1993, ch. 13). Same seed, same interval.
    """
    judged = np.asarray(values, np.float64)
    if not len(judged):
        return NOTHING
    sums, counts = _sums_of_clusters(judged[:, None], clusters)
    means = _resampled(sums, counts, np.random.default_rng(derive_seed(seed, "bootstrap")))
    low, high = np.quantile(means, [0.025, 0.975])
    return Metric(
        value=float(judged.mean()),
        ci95=(float(low), float(high)),
        chance=float(np.mean(np.asarray(chances, np.float64))),
        n=len(judged),
    )


def gap_closed(
    values: npt.ArrayLike,
    floor: npt.ArrayLike,
    ceiling: npt.ArrayLike,
    clusters: Sequence[Hashable],
    seed: int = 0,
) -> Metric:
    """(x - floor) / (ceiling - floor) of paired judgements (n,), with a bootstrap over clusters.

    All three are resampled together, so that what makes a rater hard is no part of the interval. `chance` is
    0, the floor's own; without a gap nothing is measured.
    """
    judged = np.stack([np.asarray(one, np.float64) for one in (values, floor, ceiling)], axis=1)
    if not len(judged):
        return NOTHING
    sums, counts = _sums_of_clusters(judged, clusters)
    x, low, high = _resampled(sums, counts, np.random.default_rng(derive_seed(seed, "bootstrap"))).T
    mean = judged.mean(0)
    if mean[2] == mean[1]:
        return NOTHING
    there = high != low
    interval = np.quantile((x - low)[there] / (high - low)[there], [0.025, 0.975])
    value = (mean[0] - mean[1]) / (mean[2] - mean[1])
    return Metric(float(value), (float(interval[0]), float(interval[1])), 0.0, len(judged))


def gap_regained(after: npt.ArrayLike, before: npt.ArrayLike, seed: int = 0) -> Metric:
    """The gap closed after a change as a share of that before it; both (P, 3): values, floors, ceilings.

    Rows are persons, drawn with replacement for both at once. Nothing is measured unless the gap closed
    before lies above 0 with its 95 % interval: a share of nothing is no number. `chance` is 0, the floor's.
    """
    judged = np.concatenate([np.asarray(one, np.float64) for one in (after, before)], axis=1)
    if not len(judged):
        return NOTHING
    rng = np.random.default_rng(derive_seed(seed, "bootstrap"))
    drawn = _resampled(judged, np.ones(len(judged)), rng)
    shares = [_closed(drawn[:, part]) for part in (slice(3), slice(3, 6))]
    now, then = (float(_closed(judged.mean(0)[None, part])[0]) for part in (slice(3), slice(3, 6)))
    sure = shares[1] > 0
    if not (math.isfinite(now) and then > 0 and np.mean(sure) >= _SURE):
        return NOTHING
    ratios = (shares[0] / np.where(sure, shares[1], 1.0))[sure]
    low, high = np.quantile(ratios[np.isfinite(ratios)], [0.025, 0.975])
    return Metric(now / then, (float(low), float(high)), 0.0, len(judged))


def _closed(means: Array) -> Array:
    """(x - floor) / (ceiling - floor) of rows (n, 3), NaN where there is no gap."""
    gaps = means[:, 2] - means[:, 1]
    return np.asarray((means[:, 0] - means[:, 1]) / np.where(gaps == 0, np.nan, gaps))


def _sums_of_clusters(judged: Array, clusters: Sequence[Hashable]) -> tuple[Array, Array]:
    """The sums (c, k) of judgements (n, k) within each cluster, and how many (c,) there are."""
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.array([numbers[cluster] for cluster in clusters])
    sums = np.zeros((len(numbers), judged.shape[1]))
    np.add.at(sums, member, judged)
    return sums, np.bincount(member, minlength=len(numbers)).astype(np.float64)


def _resampled(sums: Array, counts: Array, rng: np.random.Generator) -> Array:
    """Means (RESAMPLES, k) of as many clusters as there are, drawn with replacement."""
    clusters = len(counts)
    step = max(1, _CELLS // clusters)
    means = []
    for start in range(0, RESAMPLES, step):
        times = rng.multinomial(clusters, np.full(clusters, 1 / clusters), min(step, RESAMPLES - start))
        means.append((times @ sums) / (times @ counts)[:, None])
    return np.concatenate(means)
