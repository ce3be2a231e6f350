"""How alike two groupings of the same people are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["adjusted_rand_index"]


def adjusted_rand_index(first: Sequence[int | str], second: Sequence[int | str]) -> float:
    """The adjusted Rand index of two groupings (n,) of the same items (Hubert and Arabie 1985).

    1 where they are the same whatever their names are, 0 on average where one says nothing of the other.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} items are not {len(second)}")
    ones, others = np.unique(first, return_inverse=True)[1], np.unique(second, return_inverse=True)[1]
    table = np.zeros((ones.max(initial=-1) + 1, others.max(initial=-1) + 1))
    np.add.at(table, (ones, others), 1)
    together = _pairs(table)
    rows, columns, total = _pairs(table.sum(1)), _pairs(table.sum(0)), _pairs(np.array([len(first)]))
    expected = rows * columns / total if total else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1) / 2).sum())
