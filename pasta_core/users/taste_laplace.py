"""The Laplace approximation of a posterior with a Gaussian prior, by Newton's method with a line search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.errors import PastaError
from pasta_core.users.taste_choices import Choices

__all__ = ["Gaussian", "Laplace", "laplace"]

Array = npt.NDArray[np.float64]

STEPS = 50
TOLERANCE = 1e-10
"""Newton's decrement, in nats, from which a last full step is exact."""
_SHRINK = 0.5
_SUFFICIENT = 1e-4


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A mean (D,) and a covariance (D, D)."""

    mean: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class Laplace:
    """A posterior as a Gaussian at its mode, and the log evidence of the choices under its prior, in nats."""

    posterior: Gaussian
    log_evidence: float


def laplace(choices: Choices, mean: Array, variances: Array) -> Laplace:
    """The posterior of w under N(mean, diag(variances)) and these choices.

    The objective is strictly convex, so there is one mode, which no order of the choices changes.
    `PastaError` where features are so large that no step makes progress.
    """
    precision = 1 / variances
    w = mean.copy()
    for _ in range(STEPS):
        slope = choices.slope(w)
        value = slope.value + _penalty(w, mean, precision)
        gradient = slope.gradient + precision * (w - mean)
        step = -np.asarray(np.linalg.solve(slope.hessian + np.diag(precision), gradient), np.float64)
        decrement = float(-gradient @ step)
        if decrement < TOLERANCE:
            w = w + step
            break
        w = w + _length(choices, w, step, mean, precision, value, decrement) * step
    else:
        raise PastaError("the taste has no mode that could be found", "its picks may be damaged")
    slope = choices.slope(w)
    hessian = slope.hessian + np.diag(precision)
    _, log_determinant = np.linalg.slogdet(hessian * np.sqrt(np.outer(variances, variances)))
    evidence = -(slope.value + _penalty(w, mean, precision)) - 0.5 * float(log_determinant)
    covariance = np.linalg.inv(hessian)
    return Laplace(Gaussian(w, (covariance + covariance.T) / 2), evidence)


def _penalty(w: Array, mean: Array, precision: Array) -> float:
    return float(0.5 * (precision * (w - mean) ** 2).sum())


def _length(
    choices: Choices,
    w: Array,
    step: Array,
    mean: Array,
    precision: Array,
    value: float,
    decrement: float,
) -> float:
    """Halve the step until the objective falls enough (Armijo)."""
    length = 1.0
    while length > 1e-12:
        there = w + length * step
        if (
            choices.value(there) + _penalty(there, mean, precision)
            <= value - _SUFFICIENT * length * decrement
        ):
            return length
        # at the mode, rounding hides the last fall
        if decrement < 1e-7 * max(abs(value), 1.0):
            return length
        length *= _SHRINK
    raise PastaError("the taste has no mode that could be found", "its picks may be damaged")
