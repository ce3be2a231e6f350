"""Whether simulated data tells every pair of user types apart, and which are one (App. C.2).

Proposition 1 asks for one slate that both types may meet and that they value or choose differently. Every
slate can be met by both here, because every choice has a positive probability (Assumption 2) and the agent
knows no type; and two trained types never agree to the last digit. So the question is put to the data: do
the choices, or the rewards, differ by more than chance and rounding?
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.errors import InvalidInput

__all__ = ["SAME_REWARD", "PairOfTypes", "TypeReport", "type_report"]

Array = npt.NDArray[np.float64]

SAME_REWARD = 0.05
"""Utilities that differ by less of their own spread are the same."""

NORMAL_95 = 1.96
TINY = 1e-300


@dataclass(frozen=True)
class PairOfTypes:
    """Two types, and how far the data tells them apart.

    `nats` is what a trajectory of either says for its own type against the other on average, the mean of
    log C_own / C_other over its choices, with the half-width of its 95 % interval; None below two
    trajectories of each. `difference` is how far their utilities of the shown slates lie apart, each less
    its mean over the slate, in units of their spread: 0 for the same taste, sqrt(2) for unrelated ones.
    """

    first: int
    second: int
    trajectories: int
    nats: float | None
    half_width: float | None
    difference: float

    @property
    def choices_separate(self) -> bool:
        """Whether the choices tell them apart: the interval excludes 0."""
        return self.nats is not None and self.half_width is not None and self.nats > self.half_width

    @property
    def rewards_separate(self) -> bool:
        """Whether the rewards do."""
        return self.difference >= SAME_REWARD

    @property
    def separate(self) -> bool:
        """Whether the data identifies the pair."""
        return self.choices_separate or self.rewards_separate


@dataclass(frozen=True)
class TypeReport:
    """All pairs, and the groups of types that the data cannot tell apart: one user type each.

    `users` is the name of the population that they belong to, such as `model:1f0c...`.
    """

    users: str
    trajectories: int
    slates: int
    counts: tuple[int, ...]
    pairs: tuple[PairOfTypes, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def types(self) -> int:
        return len(self.counts)


def type_report(records: Iterable[TrajectoryRecord]) -> TypeReport:
    """Read trajectories of users of a user model; `InvalidInput` where they know no types."""
    found = [record for record in records if _knows_types(record)]
    if not found:
        raise InvalidInput("these trajectories know no user types", "simulate them with --users model:PATH")
    sizes = {len(turn.posterior or ()) for record in found for turn in record.turns}
    names = {record.user.rpartition(":")[0] for record in found}
    if len(sizes) != 1 or len(names) != 1:
        raise InvalidInput("these trajectories come from different user models", "report on one at a time")
    types = sizes.pop()
    tastes = np.concatenate([_tastes(record) for record in found], axis=-1)
    said = np.stack([_said(record) for record in found])
    kinds = np.array([record.user_type for record in found])
    pairs = tuple(_pair(*pair, said, kinds, tastes) for pair in combinations(range(types), 2))
    counts = tuple(int((kinds == kind).sum()) for kind in range(types))
    slates = sum(len(record.turns) for record in found)
    return TypeReport(names.pop(), len(found), slates, counts, pairs, _groups(types, pairs))


def _knows_types(record: TrajectoryRecord) -> bool:
    turns = record.turns
    known = (turn.posterior is not None and turn.type_utilities is not None for turn in turns)
    return record.user_type is not None and bool(turns) and all(known)


def _tastes(record: TrajectoryRecord) -> Array:
    """Every type's utilities of all shown columns, less their mean over the slate: (K, columns of all turns).

    A taste that differs from another by a constant chooses and ranks alike.
    """
    tables = [np.asarray(turn.type_utilities, np.float64) for turn in record.turns]
    return np.concatenate([table - table.mean(-1, keepdims=True) for table in tables], axis=-1)


def _said(record: TrajectoryRecord) -> Array:
    """log C_k of all choices but the first, up to a constant: (K,), from the posteriors that they led to.

    The first one's would need the prior, which the data does not hold.
    """
    beliefs = np.log(np.maximum([turn.posterior or () for turn in record.turns], TINY))
    return np.asarray(beliefs[-1] - beliefs[0])


def _pair(first: int, second: int, said: Array, kinds: npt.NDArray[np.int64], tastes: Array) -> PairOfTypes:
    ratios = said[:, first] - said[:, second]
    own = [ratios[kinds == first], -ratios[kinds == second]]
    nats = half_width = None
    if min(map(len, own)) >= 2:
        # each type counts the same, however many of its users there are
        nats = float(np.mean([part.mean() for part in own]))
        half_width = float(NORMAL_95 * np.sqrt(sum(part.var(ddof=1) / len(part) for part in own)) / 2)
    spread = np.sqrt((tastes[first] ** 2).mean() + (tastes[second] ** 2).mean()) / np.sqrt(2)
    apart = np.sqrt(((tastes[first] - tastes[second]) ** 2).mean())
    difference = float(apart / spread) if spread > 0 else 0.0
    return PairOfTypes(first, second, sum(map(len, own)), nats, half_width, difference)


def _groups(types: int, pairs: Iterable[PairOfTypes]) -> tuple[tuple[int, ...], ...]:
    """Types that are not separate, directly or through others, are merged."""
    group = list(range(types))
    for pair in pairs:
        if not pair.separate:
            kept, gone = sorted((group[pair.first], group[pair.second]))
            group = [kept if one == gone else one for one in group]
    return tuple(tuple(kind for kind in range(types) if group[kind] == name) for name in sorted(set(group)))
