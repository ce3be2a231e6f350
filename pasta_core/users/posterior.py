"""What is believed about a user's type: a fold over what the user did, in log space.

A belief is an array (K,) of log probabilities. It is derived from the path of choices whenever it is needed
and stored nowhere, so undoing a choice is folding over a shorter path.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np
import numpy.typing as npt

__all__ = ["Belief", "belief_after", "most_likely_type", "observe", "prior_belief", "probabilities"]

Belief = npt.NDArray[np.float64]


def prior_belief(prior: npt.ArrayLike) -> Belief:
    """The belief before anything was seen: the log of eta (K,), normalised; a type of weight 0 keeps it."""
    with np.errstate(divide="ignore"):
        return _normalised(np.log(np.asarray(prior, np.float64)))


def observe(belief: Belief, log_likelihood: npt.ArrayLike) -> Belief:
    """One step of the posterior of §5.3: log sigma(x, y, k) of one label, shape (K,), any mix of kinds."""
    return _normalised(belief + np.asarray(log_likelihood, np.float64))


def belief_after(prior: npt.ArrayLike, log_likelihoods: Iterable[npt.ArrayLike]) -> Belief:
    """The posterior gamma of §5.3 after a user's labels; their order does not matter."""
    return reduce(observe, log_likelihoods, prior_belief(prior))


def probabilities(belief: Belief) -> Belief:
    """The belief as probabilities (K,)."""
    weights: Belief = np.exp(belief)
    return weights


def most_likely_type(belief: Belief) -> int:
    """The type whose utility labels a session's rewards (App. B.4); the first of several equal ones."""
    return int(belief.argmax())


def _normalised(belief: Belief) -> Belief:
    top = belief.max()
    total: Belief = belief - (top + np.log(np.exp(belief - top).sum()))
    return total
