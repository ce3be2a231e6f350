"""What a model of preferences must answer to be measured, and labels with their scores looked up.

Scores have one column a user type; `scores(...)` is the only thing that needs embeddings, everything else is
arithmetic on what it returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Comparison
from pasta_core.users.posterior import belief_after, probabilities

__all__ = [
    "Array",
    "PairSeries",
    "PreferenceModel",
    "ScoredRanking",
    "ScoredSession",
    "ScoredTurn",
    "log_preferences",
    "posterior",
]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class PreferenceModel(Protocol):
    """K user types with their scores (D.4), utilities (Eq. 3) and choices (Eq. 4), and their shares."""

    @property
    def prior(self) -> Array:
        """eta, shape (K,), summing to one."""
        ...

    def scores(self, images: npt.ArrayLike, texts: npt.ArrayLike, image_rows: Rows, text_rows: Rows) -> Array:
        """s_theta (n, K) of n image-prompt pairs, rows of embeddings (u, d) and (v, d)."""
        ...

    def utilities(self, scores: Array) -> Array:
        """R_theta (...) of columns whose M images have scores (..., M)."""
        ...

    def log_choices(self, utilities: Array) -> Array:
        """log C_theta (..., L) of slates whose columns have utilities (..., L)."""
        ...


@dataclass(frozen=True, eq=False)
class PairSeries:
    """A rater's labelled pairs, oldest first: `differences` (n, K) are scores of image 0 less image 1.

    `labels` (n,) are 1 where image 0 won, 0 where image 1 did, 0.5 for ties.
    """

    rater: str
    differences: Array
    labels: Array


@dataclass(frozen=True, eq=False)
class ScoredRanking:
    """Images of one prompt: `scores` (n, K), `ranks` (n,) with 1 = best; `rater` is None for an average."""

    item: str
    rater: str | None
    scores: Array
    ranks: Array


@dataclass(frozen=True, eq=False)
class ScoredTurn:
    """Turn `number`: `columns[l]` (M, K) are the scores of column l's images, `choice` the chosen one.

    `comparison` is what the rater said of its images against those of the turn before, where that is known,
    and `selected` the column it speaks of: the one reconfirmed when the question was asked (App. B.2), which
    may differ from the choice; None where they are the same.
    """

    number: int
    columns: tuple[Array, ...]
    choice: int
    comparison: Comparison | None = None
    selected: int | None = None


@dataclass(frozen=True, eq=False)
class ScoredSession:
    """A session's turns, oldest first."""

    rater: str
    turns: tuple[ScoredTurn, ...]


def log_preferences(differences: Array, labels: Array) -> Array:
    """log sigma^pref (n, K) of Eq. 5 for score differences (n, K) and labels (n,); a tie is half each way."""
    share = np.asarray(labels, np.float64)[:, None]
    return -share * np.logaddexp(0, -differences) - (1 - share) * np.logaddexp(0, differences)


def posterior(prior: Array, log_likelihoods: Array | Sequence[Array]) -> Array:
    """gamma (K,) of §5.3 after labels with log likelihoods (n, K); the prior where n is 0."""
    return probabilities(belief_after(prior, log_likelihoods))
