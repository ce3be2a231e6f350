"""How often a model agrees with labelled pairs: §6.2's protocol, and PickScore's own metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pasta_core.evaluation.metric import NOTHING, Metric, clustered_mean
from pasta_core.evaluation.preferences import Array, PairSeries, log_preferences, posterior

__all__ = [
    "Judge",
    "Judgements",
    "THRESHOLDS",
    "TIE_WIDTH",
    "by_probability",
    "by_score",
    "halves",
    "judgements",
    "pickscore_accuracy",
    "series_accuracy",
]

TIE_WIDTH = 0.1
"""A tie is predicted where the difference is smaller (§6.2)."""

THRESHOLDS = np.arange(11) / 10

Judge = Callable[[PairSeries, PairSeries], Array]
"""Predicts by how much image 0 is preferred, (n,), in the second part of a series, having seen the first."""


def halves(series: PairSeries) -> tuple[PairSeries, PairSeries]:
    """The first half of a series, for the posterior, and the rest, for the test.

    §6.2 does not say which half is which. In time's order no label is predicted from a later one; a series
    of one label has an empty first half.
    """
    middle = len(series.labels) // 2
    return (
        PairSeries(series.rater, series.differences[:middle], series.labels[:middle]),
        PairSeries(series.rater, series.differences[middle:], series.labels[middle:]),
    )


def by_probability(prior: Array) -> Judge:
    """p_0 - p_1 of the mixture: the types' Bradley-Terry probabilities, weighted by the posterior."""

    def judge(seen: PairSeries, asked: PairSeries) -> Array:
        weights = posterior(prior, log_preferences(seen.differences, seen.labels))
        return np.asarray(np.tanh(asked.differences / 2) @ weights)

    return judge


def by_score(prior: Array) -> Judge:
    """The difference of raw scores, weighted by the posterior: §6.2 read to the letter."""

    def judge(seen: PairSeries, asked: PairSeries) -> Array:
        weights = posterior(prior, log_preferences(seen.differences, seen.labels))
        return np.asarray(asked.differences @ weights)

    return judge


@dataclass(frozen=True, eq=False)
class Judgements:
    """Test pairs one by one: `right` and `chance` (n,), and the rater of each."""

    right: Array
    chance: Array
    raters: tuple[str, ...]


def judgements(series: Sequence[PairSeries], judge: Judge) -> Judgements:
    """Judge the second half of every series, which of two models on the same data is in the same order.

    A strict label is right where the predicted difference has its sign, a tie where the difference is below
    0.1. Chance guesses a sign with differences below 0.1: it has half of the strict labels and every tie.
    """
    right, chance, raters = [np.zeros(0)], [np.zeros(0)], list[str]()
    for one in series:
        seen, asked = halves(one)
        difference = judge(seen, asked)
        tie = asked.labels == 0.5
        agrees = np.sign(difference) == np.sign(asked.labels - 0.5)
        right.append(np.where(tie, np.abs(difference) < TIE_WIDTH, agrees).astype(np.float64))
        chance.append(np.where(tie, 1.0, 0.5))
        raters += [one.rater] * len(asked.labels)
    return Judgements(np.concatenate(right), np.concatenate(chance), tuple(raters))


def series_accuracy(series: Sequence[PairSeries], judge: Judge, seed: int = 0) -> Metric:
    """The accuracy of §6.2 on Pick-a-Pic: half of a rater's series is posterior, the other half is predicted.

    The mean is over pairs, the interval over raters.
    """
    judged = judgements(series, judge)
    return clustered_mean(judged.right, judged.raters, judged.chance, seed)


def pickscore_accuracy(
    validation: Sequence[PairSeries], test: Sequence[PairSeries], prior: Array, seed: int = 0
) -> Metric:
    """PickScore's metric (Kirstain et al. 2023, `eval_preference_predictor.py`) on one pair per prompt.

    A tie is predicted where |p_1 - p_0| is at most a threshold, which is the best of 0, 0.1, ..., 1 on the
    validation pairs. The right class of three counts 1, one of prediction and label being a tie 0.5. No rater
    is known yet, so the types count by their prior. Chance always predicts a tie: 0.5 and half of the ties.
    """
    if not validation or not test:
        return NOTHING
    tuning = [_credits(validation, prior, threshold)[0].mean() for threshold in THRESHOLDS]
    credit, labels, raters = _credits(test, prior, float(THRESHOLDS[int(np.argmax(tuning))]))
    return clustered_mean(credit, raters, np.where(labels == 0.5, 1.0, 0.5), seed)


def _credits(series: Sequence[PairSeries], prior: Array, threshold: float) -> tuple[Array, Array, list[str]]:
    """The credit (n,) of each pair, its label, its rater."""
    difference = np.concatenate([np.tanh(one.differences / 2) @ prior for one in series])
    labels = np.concatenate([one.labels for one in series])
    raters = [one.rater for one in series for _ in one.labels]
    # Their script takes the second image where neither is larger and no tie is predicted.
    predicted = np.where(np.abs(difference) <= threshold, 0.5, np.where(difference > 0, 1.0, 0.0))
    one_tie = (predicted == 0.5) != (labels == 0.5)
    return np.where(predicted == labels, 1.0, np.where(one_tie, 0.5, 0.0)), labels, raters
