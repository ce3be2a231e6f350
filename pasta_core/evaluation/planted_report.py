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
    archetype_series,
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

    `gap_closed` lies between the floor (K = 1) and the oracle. `archetypes` and `gap_closable` are the same
    two of a model whose types are the archetypes themselves: what is missing from them is each rater's own,
    and what half of the labels cannot tell. `types`, `types_at_best` and `bayes` are adjusted Rand indices
    with the true archetypes: of the model, of the one whose types are the archetypes, and of the Bayes
    classifier, which knows also how individuals deviate. Where every rater has a taste of their own, these
    are None or empty.
    """

    oracle: Metric
    gap_closed: Metric
    archetypes: Metric
    gap_closable: Metric
    types: float | None
    types_at_best: float | None
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
        self._archetypes: Judgements | None = None
        self._types_at_best: float | None = None
        self._bayes: float | None = None
        if self._typed:
            known = archetype_series(truth, labels)
            prior = np.full(known[0].differences.shape[1], 1 / known[0].differences.shape[1])
            self._archetypes = judgements(known, by_probability(prior))
            self._types_at_best = type_recovery(truth, recovered_types(known, prior))
            self._bayes = type_recovery(truth, bayes_archetypes(truth, labels)[0])

    def compare(
        self, series: Sequence[PairSeries], prior: Array, floor: Judgements | None = None
    ) -> PlantedComparison:
        """Compare a model's series of the same pairs; `floor` are the judgements of the model with one type.

        Raises `InvalidInput` where some of the pairs could not be embedded.
        """
        judged = judgements(series, by_probability(prior))
        if judged.raters != self._oracle.raters:
            raise InvalidInput("the pairs are not those that the oracle judged", "embed all images first")
        return PlantedComparison(
            oracle=self._accuracy(self._oracle),
            gap_closed=self._gap_closed(judged, floor),
            archetypes=self._accuracy(self._archetypes),
            gap_closable=self._gap_closed(self._archetypes, floor),
            types=type_recovery(self._truth, recovered_types(series, prior)) if self._typed else None,
            types_at_best=self._types_at_best,
            bayes=self._bayes,
            raters_sha256=self._truth.population.sheet.sha256,
        )

    def _accuracy(self, judged: Judgements | None) -> Metric:
        if judged is None:
            return NOTHING
        return clustered_mean(judged.right, judged.raters, judged.chance, self._seed)

    def _gap_closed(self, judged: Judgements | None, floor: Judgements | None) -> Metric:
        if judged is None or floor is None:
            return NOTHING
        return gap_closed(judged.right, floor.right, self._oracle.right, judged.raters, self._seed)
