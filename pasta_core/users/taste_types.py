"""The types of a user model as a taste's prior: each type's utilities, as far as they are linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pasta_core.errors import InvalidInput
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_space import TasteSpace

__all__ = ["with_types"]

Array = npt.NDArray[np.float64]

_RIDGE = 50.0
"""How many columns a type without any taste counts as."""


def with_types(
    space: TasteSpace, slates: Sequence[Pick], utilities: Sequence[Array], shares: Array, users: str = ""
) -> TasteSpace:
    """The space with K types as its mixture prior: R_k (K, L) of every slate's columns, and shares (K,).

    `users` is what trajectories call the users of the types.

    Each type's taste is a ridge regression of how its utilities differ within slates (the softmax of Eq. 4
    sees nothing else) on how features do. `InvalidInput` where tables do not fit the slates.
    """
    if len(slates) != len(utilities) or not slates:
        raise InvalidInput("there are no utilities of types to learn from")
    k = len(shares)
    if any(table.shape != (k, slate.columns) for slate, table in zip(slates, utilities, strict=True)):
        raise InvalidInput("the utilities of types are not of these slates")
    features = np.concatenate([_centred(space.features(slate)) for slate in slates])
    tables = np.concatenate([_centred(table.T) for table in utilities])
    precision = features.T @ features + _RIDGE * np.eye(space.dimension)
    means = np.linalg.solve(precision, features.T @ tables).T
    weights = np.asarray(shares / shares.sum(), np.float64)
    return replace(space, type_means=means, type_weights=weights, users=users)


def _centred(rows: Array) -> Array:
    return np.asarray(rows - rows.mean(0))
