"""The utility of a column of images (Eq. 3): one number from the scores of its M images."""

from __future__ import annotations

from enum import StrEnum

from torch import Tensor

__all__ = ["Aggregator", "utility"]


class Aggregator(StrEnum):
    """Agg of Eq. 3; the paper takes the softmax sampler: raters judged a column by its best image (§6.1)."""

    SOFTMAX = "softmax"
    MEAN = "mean"
    MAX = "max"


def utility(scores: Tensor, aggregator: Aggregator = Aggregator.SOFTMAX, temperature: float = 1.0) -> Tensor:
    """R of Eq. 3 from scores of shape (..., M), in the scores' unit; returns shape (...).

    The softmax sampler is the mean of the scores weighted by their softmax at `temperature`: near 0 it is the
    maximum, at infinity the mean.
    """
    match aggregator:
        case Aggregator.MEAN:
            return scores.mean(-1)
        case Aggregator.MAX:
            return scores.amax(-1)
        case Aggregator.SOFTMAX:
            return ((scores / temperature).softmax(-1) * scores).sum(-1)
