"""A taste and a value model about the same candidates: two noisy estimates of one utility, combined.

**Model.** Let g (n,) be the utilities of n candidates in nats of Eq. 4's choice, as far as prompts foretell
them. The taste believes g to be N(m, K): K = Phi C Phi' for features Phi and the taste's covariance C. What a
picture adds is foretold by nobody. The value model's f(h, p), in rewards, measures the same g:

    f = o + slope * g + shared * m + e,    Cov[e] = deviation^2 * K / k,    k = tr(H K H) / (n - 1)

The offset o is the slate's own (what is still to come, how well the session goes), known to nobody, with a
flat prior; H subtracts the candidates' mean. `shared` is what f says because it knows what the taste knows
too, which must not count twice. f errs where the taste errs, in directions of taste that it cannot know of
this person: its errors have K's shape. (Were they each candidate's own, 25 of them would seem to average
out; measured, they don't: docs/taste.md.) k is how unsure the taste is, as a variance within slates.

**Rule.** y = (f - shared * m) / slope measures g with the variance t^2 = (deviation / slope)^2. As both
errors have one shape, Bayes' rule for Gaussians, with the offset integrated out, is precision weighting:

    E[g | f] = m + w H (y - m),    Cov[g | f] = (1 - w) K,    w = (1 / t^2) / (1 / t^2 + 1 / k)

So the taste counts the more the surer it is, and after many picks the value model moves little. A belief that
is a mixture of types has the same first two moments, for which this is the best linear rule. A taste that
tells no candidates apart (k = 0: nothing was learned yet, and there is no space) leaves f's own order, and a
value model that says nothing (slope 0) leaves the taste.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.users.taste import Belief, Worth

__all__ = ["Combined", "ValueCalibration", "combined", "doubt_within"]

Array = npt.NDArray[np.float64]

_NOTHING = 1e-12
"""Nats squared below which a taste tells no candidates apart."""


@dataclass(frozen=True)
class ValueCalibration:
    """What a value model's f says of utilities beside a taste's m; `slope` and `shared` in rewards a nat.

    `deviation`, in rewards, is that of f's error within a slate. Measured by `training.value_calibration`.
    """

    slope: float
    shared: float
    deviation: float

    @property
    def variance(self) -> float:
        """t^2, of the measurement in nats; infinite where f says nothing of its own."""
        return (self.deviation / self.slope) ** 2 if self.slope > 0 else float("inf")


@dataclass(frozen=True, eq=False)
class Combined:
    """What n candidates are thought to be worth after both were heard, in nats: `means`, `deviations` (n,).

    `weight` is that of the value model, 0 to 1.
    """

    means: Array
    deviations: Array
    weight: float

    def drawn(self, apart: Array) -> Array:
        """Utilities (n,) under a taste drawn from the combined posterior.

        `apart` (n,) is by how much candidates are worth more under a taste drawn from the taste's own belief
        than under its mean: what the value model is sure of too, is drawn less far apart.
        """
        return np.asarray(self.means + np.sqrt(1 - self.weight) * apart)


def combined(
    belief: Belief, features: Array, worth: Worth, values: Array, calibration: ValueCalibration
) -> Combined:
    """Hear a value model's `values` (n,) beside a taste's `worth` of candidates with `features` (n, D)."""
    of_taste = features @ belief.covariance @ features.T
    doubt = doubt_within(of_taste)
    variance = calibration.variance
    if not np.isfinite(variance):
        return Combined(worth.means, worth.deviations, 0.0)
    weight = doubt / (doubt + variance) if doubt > _NOTHING else 1.0
    surprise = (values - calibration.shared * worth.means) / calibration.slope - worth.means
    left = worth.deviations**2 - weight * np.diag(of_taste)
    return Combined(
        means=worth.means + weight * (surprise - surprise.mean()),
        deviations=np.sqrt(np.maximum(left, 0.0)),
        weight=float(weight),
    )


def doubt_within(covariance: Array) -> float:
    """k: the variance within slates of utilities with this covariance (n, n); 0 for one candidate."""
    n = len(covariance)
    return float(np.trace(covariance) - covariance.mean() * n) / max(n - 1, 1)
