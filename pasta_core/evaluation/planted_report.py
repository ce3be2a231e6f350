"""The bars of planted raters: where a model lies between one type and the oracle, and what types it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pasta_core.data.records import Pair
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.metric import NOTHING, Metric, clustered_mean, gap_closed
from pasta_core.evaluation.pairs import Judgements, by_probability, judgements
from pasta_core.evaluation.planted import (
    Truth,
    bayes_archetypes,
    oracle_series,
    planted_labels,
    recovered_types,
    type_recovery,
)
from pasta_core.evaluation.preferences import Array, PairSeries

__all__ = ["PlantedComparison", "Yardstick"]


@dataclass(frozen=True)
class PlantedComparison:
    """A model against what could be known.

    `gap_closed` lies between the floor (K = 1) and the oracle; `types` and `bayes` are adjusted Rand indices
    with the true archetypes, None where every rater has a taste of their own.
    """

    oracle: Metric
    gap_closed: Metric
    types: float | None
    bayes: float | None
    raters_sha256: str


class Yardstick:
    """The oracle and the Bayes classifier on one data set's pairs, made once for any number of models."""

    def __init__(self, truth: Truth, pairs: Iterable[Pair], seed: int = 0) -> None:
        labels = planted_labels(truth, pairs)
        self._truth = truth
        self._seed = seed
        self._oracle = judgements(oracle_series(truth, labels), by_probability(np.ones(1)))
        self._typed = all(member.weights is None for member in truth.members.values())
        self._bayes = type_recovery(truth, bayes_archetypes(truth, labels)[0]) if self._typed else None

    def compare(
        self, series: Sequence[PairSeries], prior: Array, floor: Judgements | None = None
    ) -> PlantedComparison:
        """Compare a model's series of the same pairs; `floor` are the judgements of the model with one type.

        Raises `InvalidInput` where some of the pairs could not be embedded.
        """
        judged = judgements(series, by_probability(prior))
        if judged.raters != self._oracle.raters:
            raise InvalidInput("the pairs are not those that the oracle judged", "embed all images first")
        oracle = self._oracle
        return PlantedComparison(
            oracle=clustered_mean(oracle.right, oracle.raters, oracle.chance, self._seed),
            gap_closed=NOTHING
            if floor is None
            else gap_closed(judged.right, floor.right, oracle.right, oracle.raters, self._seed),
            types=type_recovery(self._truth, recovered_types(series, prior)) if self._typed else None,
            bayes=self._bayes,
            raters_sha256=self._truth.population.sheet.sha256,
        )
