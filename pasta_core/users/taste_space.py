"""The reduced space that tastes live in: a few directions of CLIP's, and what texts say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Embedding
from pasta_core.users.taste_picks import Pick

__all__ = ["FIDELITY", "Foreseen", "TasteSpace"]

Array = npt.NDArray[np.float64]

FIDELITY = 0
"""The place of the one feature that is no direction of its own: how much more a column looks like the initial
prompt than that prompt's own picture does."""


@dataclass(frozen=True, eq=False)
class Foreseen:
    """Features of prompts that nobody has painted: their means (n, D), and how unsure those are.

    The covariance of prompt i is `unsure[i]` times `residual` (P, P), on the first P features, those that are
    painted; the others are known.
    """

    means: Array
    residual: Array
    unsure: Array


@dataclass(frozen=True, eq=False)
class TasteSpace:
    """What turns embeddings into features, and texts into expected features, for one CLIP.

    A column's D = 1 + r + s features are its fidelity, r coordinates of its images and s of its text, all
    relative to the initial prompt's. `image_basis` (d, r) and `text_basis` (d, s) are scaled so that the
    columns of a slate have unit variance along each direction. `slope` (1 + r, 1 + s) predicts fidelity and
    image coordinates from the text's nearness to the initial prompt and its s coordinates: the map across
    CLIP's modality gap. `residual` (1 + r, 1 + r) is the covariance of what it leaves, `spread` (1 + s, 1 +
    s) how much less sure it is away from what it was learned on. `variances` (D,) are the prior's;
    `type_means` (K, D) and `type_weights` (K,) the tastes and shares of a user model's types, one type
    without any taste where there is no user model.
    """

    clip: str
    image_basis: Array
    text_basis: Array
    fidelity_scale: float
    slope: Array
    residual: Array
    spread: Array
    variances: Array
    type_means: Array
    type_weights: Array
    pairs: int = 0
    """How many painted (prompt, images) pairs it was learned from."""
    users: str = ""
    """What trajectories call the users of the user model whose types these are; empty where nobody said."""

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.variances)

    @property
    def painted(self) -> int:
        """P = 1 + r, the features that only a painted column has."""
        return 1 + int(self.image_basis.shape[1])

    @property
    def types(self) -> int:
        """K."""
        return len(self.type_weights)

    def features(self, pick: Pick) -> Array:
        """The features (L, D) of a pick's columns; those of the initial prompt's own picture would be 0."""
        images = pick.images[1:].astype(np.float64) - pick.images[0]
        texts = pick.texts[1:].astype(np.float64) - pick.texts[0]
        fidelity = images @ pick.texts[0] * self.fidelity_scale
        return np.column_stack([fidelity, images @ self.image_basis, texts @ self.text_basis])

    def compared(self, pick: Pick) -> Array:
        """The features (L, D) beyond what a column was held against.

        That is its slate's mean; where all were refused, it is the initial prompt's own picture.
        """
        features = self.features(pick)
        return features if pick.refused else features - features.mean(0)

    def foreseen(self, initial_text: Embedding, texts: Sequence[Embedding] | Embedding) -> Foreseen:
        """What columns of prompts with these normalised text embeddings (n, d) will be like once painted."""
        z = self.regressors(initial_text, np.asarray(texts, np.float64))
        means = np.column_stack([z @ self.slope.T, z[:, 1:]])
        return Foreseen(means, self.residual, 1 + np.einsum("ns,st,nt->n", z, self.spread, z))

    def regressors(self, initial_text: Embedding, texts: Array) -> Array:
        """What the map takes (n, 1 + s): nearness to the initial prompt, and the text's coordinates."""
        relative = texts - initial_text
        return np.column_stack([relative @ initial_text * self.fidelity_scale, relative @ self.text_basis])
