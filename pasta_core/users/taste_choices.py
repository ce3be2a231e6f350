"""The likelihood of picks under a linear utility: Eq. 4's softmax, ties, and "none of these"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Choices", "Slope", "stacked"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Slope:
    """A negative log-likelihood, its gradient (D,) and its Hessian (D, D)."""

    value: float
    gradient: Array
    hessian: Array


@dataclass(frozen=True, eq=False)
class Choices:
    """n choices among at most A alternatives, padded.

    `features` (n, A, D) of every alternative, `offered` (n, A) where there is one, `shares` (n, A) how a
    choice is spread over them (1 on the one that was chosen, equal shares in a tie), `weights` (n,) how much
    each counts. The utility of an alternative is its features times w, the chance of choosing it exp(u) / sum
    exp(u): Eq. 4 with tau in the scale of w. A tie among k is the k-th root of the product of their chances,
    as the label 0.5 is for a pair (D.2).
    """

    features: Array
    offered: npt.NDArray[np.bool_]
    shares: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.weights)

    def log_chances(self, w: Array) -> Array:
        """log probabilities (n, A), -inf where there is no alternative."""
        utilities = np.where(self.offered, self.features @ w, -np.inf)
        top = utilities.max(-1, keepdims=True)
        norm = top + np.log(np.exp(utilities - top).sum(-1, keepdims=True))
        return np.asarray(utilities - norm)

    def value(self, w: Array) -> float:
        """The negative log-likelihood, in nats."""
        log_chances = np.where(self.offered, self.log_chances(w), 0.0)
        return float(-(self.weights * (self.shares * log_chances).sum(-1)).sum())

    def slope(self, w: Array) -> Slope:
        """The negative log-likelihood with its derivatives; it is convex in w."""
        n, alternatives, dimension = self.features.shape
        chances = np.exp(self.log_chances(w))
        gradient = np.einsum("na,nad->d", self.weights[:, None] * (chances - self.shares), self.features)
        flat = self.features.reshape(n * alternatives, dimension)
        spread = (self.weights[:, None] * chances).reshape(-1, 1)
        means = np.einsum("na,nad->nd", chances, self.features)
        hessian = flat.T @ (spread * flat) - means.T @ (self.weights[:, None] * means)
        return Slope(self.value(w), gradient, hessian)


def stacked(
    features: Sequence[Array], chosen: Sequence[tuple[int, ...]], outside: Sequence[bool], weights: Array
) -> Choices:
    """Choices among columns of features (L_i, D).

    Where "none of these" could be answered it is one alternative more: the initial prompt's own picture,
    whose features, all of them relative to it, are 0. Nothing chosen means that one.
    """
    dimension = features[0].shape[1] if features else 0
    width = max((len(rows) + outer for rows, outer in zip(features, outside, strict=True)), default=1)
    padded = np.zeros((len(features), width, dimension))
    offered = np.zeros((len(features), width), np.bool_)
    shares = np.zeros((len(features), width))
    for number, (rows, columns, outer) in enumerate(zip(features, chosen, outside, strict=True)):
        padded[number, : len(rows)] = rows
        offered[number, : len(rows) + outer] = True
        taken = list(columns) or [len(rows)]
        shares[number, taken] = 1 / len(taken)
    return Choices(padded, offered, shares, np.asarray(weights, np.float64))
