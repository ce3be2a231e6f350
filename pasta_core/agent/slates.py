"""Slates of at most one prompt per category (§3.1): which are possible, and the best one."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pasta_core.domain import Candidate, CandidateForm, Slate
from pasta_core.errors import PastaError

__all__ = ["best_slate", "grouped", "shuffled"]


def best_slate(
    values: Sequence[float], groups: Sequence[Sequence[int]], columns: int, rng: random.Random
) -> tuple[int, ...]:
    """The `columns` indices of the highest sum of values with at most one index per group, best first.

    The best of each group, then the top of those: exact, because the sum has one term per column (§3.2). Ties
    fall by `rng`.
    """
    fates = [rng.random() for _ in values]

    def rank(index: int) -> tuple[float, float]:
        return values[index], fates[index]

    return tuple(sorted((max(group, key=rank) for group in groups), key=rank, reverse=True)[:columns])


def shuffled(slate: tuple[int, ...], values: Sequence[float], rng: random.Random) -> Slate:
    """The slate in an order that says nothing of the values, which go with it."""
    order = rng.sample(slate, len(slate))
    return Slate(tuple(order), tuple(values[index] for index in order), tuple(values))


def grouped(candidates: Sequence[Candidate], form: CandidateForm, columns: int) -> list[list[int]]:
    """The groups of which at most one candidate each is shown; `PastaError` where they are too few."""
    groups = list(_by_category(candidates).values())
    if form.direct:
        groups = [[index] for index in range(len(candidates))]
    if len(groups) < columns:
        raise PastaError(f"{columns} columns cannot be chosen from {len(groups)} categories")
    return groups


def _by_category(candidates: Sequence[Candidate]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.category, []).append(index)
    return groups
