"""The losses of App. D, each under its equation's name.

`gamma` (n, K) is the posterior over types of each label's author, detached. A loss is the sum of its labels'
terms over `count`, by default n: where labels count differently the sum of what they count, and where several
devices share a batch each one's part of it.
`weight` (n,) multiplies a label's term, never the posterior.
"""

from __future__ import annotations

from torch import Tensor

from pasta_core.users.choice import at_column
from pasta_core.users.likelihood import log_preference, log_relevance

__all__ = [
    "choice_loss",
    "expected_loss",
    "mixture_loss",
    "multi_turn_loss",
    "preference_loss",
    "relevance_loss",
]


def expected_loss(
    gamma: Tensor, log_likelihood: Tensor, count: float | None = None, weight: Tensor | None = None
) -> Tensor:
    """L(theta) = -E_{i ~ B, k ~ gamma_i}[log sigma_theta(x_i, y_i, k)] of §5.3 and D.1, in nats.

    Without labels it is 0, and still has a gradient.
    """
    terms = (gamma * log_likelihood).sum(-1)
    if weight is not None:
        terms = weight * terms
    return -terms.sum() / ((len(terms) if count is None else count) or 1)


def preference_loss(
    gamma: Tensor,
    first: Tensor,
    second: Tensor,
    label: Tensor,
    count: float | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """L^pref of D.2 with the logarithm that its print lacks; also L^in-pref and L^cross-pref of D.3.

    `first`, `second` (n, K) are scores of images, or utilities of columns in D.3; `label` (n,) is 1, 0, or
    0.5 for a tie.
    """
    return expected_loss(gamma, log_preference(first, second, label), count, weight)


def relevance_loss(
    gamma: Tensor,
    mean: Tensor,
    rating: Tensor,
    nu: float,
    count: float | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """L^rel of D.2: squared distances of ratings (n,) from their means (n, K), over 2 nu^2."""
    return expected_loss(gamma, log_relevance(mean, rating, nu), count, weight)


def mixture_loss(preference: Tensor, relevance: Tensor, kappa_1: float) -> Tensor:
    """L of D.2 for a batch of both kinds: each is a mean over its own labels, kappa_1 balances them."""
    return kappa_1 * relevance + preference


def choice_loss(
    gamma: Tensor,
    log_choices: Tensor,
    chosen: Tensor,
    count: float | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """L^cm of D.3: the cross-entropy of chosen columns (n,) under log C_theta (n, K, L) of Eq. 4."""
    return expected_loss(gamma, at_column(log_choices, chosen), count, weight)


def multi_turn_loss(
    choice: Tensor, in_turn: Tensor, cross_turn: Tensor, kappa_2: float, kappa_3: float
) -> Tensor:
    """L of D.3: the choice counts fully, kappa_2 and kappa_3 weigh the in-turn and cross-turn preferences."""
    return choice + kappa_2 * in_turn + kappa_3 * cross_turn
