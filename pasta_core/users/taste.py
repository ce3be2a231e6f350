"""What is believed about one person's taste: a Bayesian choice model in CLIP space, a fold over their picks.

Utility is linear in a column's features (`taste_space`), choices are Eq. 4's softmax (`taste_choices`), and
the posterior is the Laplace approximation at the mode of all picks (`taste_laplace`). Nothing here is stored:
a belief is computed from the picks whenever it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.errors import InvalidInput
from pasta_core.users.taste_choices import Choices, stacked
from pasta_core.users.taste_laplace import Gaussian, laplace
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_space import Foreseen, TasteSpace

__all__ = ["CRITIQUE_GAIN", "Belief", "Worth", "believe"]

Array = npt.NDArray[np.float64]

CRITIQUE_GAIN = 1.0
"""By how many prior standard deviations the utility of what a critique asks for is moved."""


@dataclass(frozen=True, eq=False)
class Worth:
    """Utilities of columns that are judged by their prompts: means and standard deviations, both (n,)."""

    means: Array
    deviations: Array


@dataclass(frozen=True, eq=False)
class Belief:
    """A mixture of Gaussians over w, one component a user type: `types` (K,) are their probabilities."""

    types: Array
    components: tuple[Gaussian, ...]

    @property
    def mean(self) -> Array:
        """The expected taste (D,)."""
        return np.asarray(sum(p * part.mean for p, part in zip(self.types, self.components, strict=True)))

    @property
    def covariance(self) -> Array:
        """The covariance of the taste (D, D), within and between types."""
        mean = self.mean
        return np.asarray(
            sum(
                p * (part.covariance + np.outer(part.mean - mean, part.mean - mean))
                for p, part in zip(self.types, self.components, strict=True)
            )
        )

    def utilities(self, features: Array) -> Array:
        """Expected utilities (n,) of painted columns."""
        return np.asarray(features @ self.mean)

    def worth(self, foreseen: Foreseen) -> Worth:
        """Expected utilities of prompts, unsure of the taste and of what will be painted."""
        mean, covariance = self.mean, self.covariance
        painted = len(foreseen.residual)
        first = mean[:painted]
        of_taste = np.einsum("nd,de,ne->n", foreseen.means, covariance, foreseen.means)
        of_picture = first @ foreseen.residual @ first
        of_both = float((covariance[:painted, :painted] * foreseen.residual).sum())
        variances = of_taste + foreseen.unsure * (of_picture + of_both)
        return Worth(foreseen.means @ mean, np.sqrt(np.maximum(variances, 0.0)))

    def draw(self, rng: np.random.Generator, exploration: float = 1.0) -> Array:
        """A taste (D,) drawn from the belief, its distance from the mean scaled by `exploration`.

        1 is Thompson's sampling, 0 the mean itself.
        """
        part = self.components[int(rng.choice(len(self.types), p=self.types))]
        values, vectors = np.linalg.eigh(part.covariance)
        noise = vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(values)))
        return np.asarray(self.mean + exploration * (part.mean + noise - self.mean))


def believe(space: TasteSpace, picks: Sequence[Pick], weights: Array | None = None) -> Belief:
    """The belief after these picks, each counted by its weight (default 1).

    `picks` must be of the space's CLIP and in one order (`taste_picks.ordered`), which is all that makes
    equal sets of picks give equal bits. With K types the prior is their mixture: each has its own posterior,
    and is as likely as its share times its evidence.
    """
    weights = np.ones(len(picks)) if weights is None else weights
    choices = _choices(space, picks, weights)
    moved = _critiques(space, picks, weights)
    found = [laplace(choices, mean + moved, space.variances) for mean in space.type_means]
    with np.errstate(divide="ignore"):
        logs = np.log(space.type_weights) + np.array([part.log_evidence for part in found])
    types = np.exp(logs - logs.max())
    return Belief(types / types.sum(), tuple(part.posterior for part in found))


def _choices(space: TasteSpace, picks: Sequence[Pick], weights: Array) -> Choices:
    if any(len(pick.texts[0]) != len(space.image_basis) for pick in picks):
        raise InvalidInput("a pick is of another CLIP than the taste's space")
    if not picks:
        return Choices(
            np.zeros((0, 1, space.dimension)), np.zeros((0, 1), np.bool_), np.zeros((0, 1)), np.zeros(0)
        )
    return stacked(
        [space.features(pick) for pick in picks],
        [pick.chosen for pick in picks],
        [pick.outside for pick in picks],
        weights,
    )


def _critiques(space: TasteSpace, picks: Sequence[Pick], weights: Array) -> Array:
    """How critiques move the prior mean (D,): along what their text is expected to change.

    By Lambda mu / sqrt(mu' Lambda mu) for features mu and the prior covariance Lambda, so that a column that
    differs by mu gains one prior standard deviation of its utility, times `CRITIQUE_GAIN`.
    """
    moved = np.zeros(space.dimension)
    for pick, weight in zip(picks, weights, strict=True):
        if pick.critique_text is None:
            continue
        direction = space.foreseen(pick.texts[0], pick.critique_text[None]).means[0]
        length = np.sqrt(float((space.variances * direction**2).sum()))
        if length > 0:
            moved += CRITIQUE_GAIN * weight * space.variances * direction / length
    return moved
