"""A taste and a value model about the same candidates: two noisy estimates of one utility, combined.

**Model.** Of n candidates the taste believes utilities u ~ N(m, S), in nats of Eq. 4's choice: S is the doubt
about the taste, which candidates share, and about each picture, which they do not (`users.taste.Worth`). The
value model's f(h, p), in rewards, is a measurement of the same utilities:

    f_i = o + slope * u_i + shared * m_i + e_i,    e_i ~ N(0, deviation^2)

The offset o is the slate's own (what is still to come, how well the session goes) and known to nobody: its
prior is flat. `shared` is what f says because it knows what the taste knows too; without it the common
knowledge would count twice. The three numbers are measured on simulated users whose utilities are known
(`training.value_calibration`).

**Rule.** y = (f - shared * m) / slope then measures u with variance t^2 = (deviation / slope)^2 and an
unknown offset, which is removed by H, subtraction of the candidates' mean. Bayes' rule for Gaussians:

    E[u | f] = m + G (y - m),    Cov[u | f] = S - G S,    G = S H (H S H + t^2 I)^-1 H

So the taste counts the more the surer it is, and after many picks the value model moves little. A belief that
is a mixture of types has the same first two moments, for which this is the best linear rule. No taste at all
leaves f's own order, as S then is alike for all, and a value model that says nothing (deviation / slope
infinite) leaves the taste.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.users.taste import Belief, Worth

__all__ = ["Combined", "ValueCalibration", "combined"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValueCalibration:
    """What a value model's f says of utilities beside a taste's m; `slope` and `shared` in rewards a nat.

    `deviation`, in rewards, is that of what f says beyond both, within a slate.
    """

    slope: float
    shared: float
    deviation: float

    @property
    def noise(self) -> float:
        """t, the standard deviation of the measurement in nats; infinite where f says nothing of its own."""
        return self.deviation / self.slope if self.slope > 0 else float("inf")


@dataclass(frozen=True, eq=False)
class Combined:
    """What n candidates are thought to be worth after both were heard, in nats: `means`, `deviations` (n,).

    The rest is for drawing: `features` (n, D) of the candidates, `measured` (n,) is y, `to_taste` (D, n) and
    `to_pictures` (n, n) say how a surprise in it moves the taste, and what no taste explains.
    """

    means: Array
    deviations: Array
    features: Array
    measured: Array
    unsure: Array
    to_taste: Array
    to_pictures: Array

    def drawn(self, taste: Array, rng: np.random.Generator, exploration: float) -> Array:
        """Utilities (n,) under a taste (D,) of the combined posterior.

        `taste` is one of the taste's own belief, `exploration` times as far from its mean as a draw. It is
        made one of both by the surprise in what was measured (pathwise conditioning, Matheron's rule). The
        mean itself, with `exploration` 0, gives `means`.
        """
        noise = exploration * self.unsure * rng.standard_normal(len(self.unsure))
        moved = taste + self.to_taste @ (self.measured - self.features @ taste - noise)
        told = np.asarray(self.features @ moved)
        return np.asarray(told + self.to_pictures @ (self.measured - told))


def combined(
    belief: Belief, features: Array, worth: Worth, values: Array, calibration: ValueCalibration
) -> Combined:
    """Hear a value model's `values` (n,) beside a taste's `worth` of candidates with `features` (n, D)."""
    n = len(values)
    covariance = belief.covariance
    of_taste = features @ covariance @ features.T
    of_pictures = np.maximum(worth.deviations**2 - np.diag(of_taste), 0.0)
    if not np.isfinite(calibration.noise):
        none = np.zeros((n, n))
        same = (worth.means, worth.deviations, features, worth.means, np.zeros(n))
        return Combined(*same, np.zeros((features.shape[1], n)), none)
    measured = (values - calibration.shared * worth.means) / calibration.slope
    variance = calibration.noise**2
    whole = of_taste + np.diag(of_pictures)
    heard = _heard(whole, variance)
    surprise = heard @ (measured - worth.means)
    left = whole - whole @ heard @ whole
    return Combined(
        means=worth.means + whole @ surprise,
        deviations=np.sqrt(np.maximum(np.diag(left), 0.0)),
        features=features,
        measured=measured,
        unsure=np.sqrt(of_pictures + variance),
        to_taste=covariance @ features.T @ heard,
        to_pictures=of_pictures[:, None] * _heard(np.diag(of_pictures), variance),
    )


def _heard(covariance: Array, variance: float) -> Array:
    """H (H S H + t^2 I)^-1 H, (n, n)."""
    n = len(covariance)
    centring = np.eye(n) - 1 / n
    inner = centring @ covariance @ centring + variance * np.eye(n)
    return np.asarray(centring @ np.linalg.solve(inner, centring))
