"""Everything §6.2 measures of a user model, and other readings of the same protocols beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pasta_core.data.records import Kind
from pasta_core.evaluation.choices import session_metrics
from pasta_core.evaluation.labels import LabelRows, Tables, score_uses
from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.pairs import by_probability, by_score, pickscore_accuracy, series_accuracy
from pasta_core.evaluation.preferences import Array, PairSeries, PreferenceModel
from pasta_core.evaluation.rankings import inversion_accuracy, ranking_spearman, strict_pair_accuracy

__all__ = ["METRICS", "Evaluation", "LabelSets", "evaluate_user_model"]

METRICS = (
    "pickapic_accuracy",
    "hpd_spearman",
    "hpd_accuracy",
    "choice_accuracy",
    "choice_nll",
    "cross_turn_accuracy",
)
"""What every evaluation names, measured or not."""


@dataclass
class LabelSets:
    """The labels that are judged, and those that PickScore's metric needs beside them."""

    test: LabelRows = field(default_factory=LabelRows)
    unique: LabelRows = field(default_factory=LabelRows)
    """Pick-a-Pic's split with one pair a prompt; empty: the first pair of each series stands for it."""
    validation: LabelRows = field(default_factory=LabelRows)
    """Pairs to tune PickScore's threshold on; empty: its metric is not measured."""


@dataclass(frozen=True)
class Evaluation:
    """`metrics` has the keys of `METRICS`, `variants` other readings of the same protocols.

    `series` are the raters' pairs with the model's scores, and `prior` its types' shares.
    """

    metrics: Mapping[str, Metric]
    variants: Mapping[str, Metric]
    series: Sequence[PairSeries]
    prior: Array


def evaluate_user_model(
    labels: LabelSets, tables: Tables, model: PreferenceModel, seed: int = 0
) -> Evaluation:
    """Measure a model on labels; the seed draws the three images of §6.2 and the bootstrap."""
    prior = model.prior
    scores = score_uses(list(labels.test.uses), tables, model)
    series = labels.test.series(scores)
    by_prompt = labels.test.series(scores, by_prompt=True)
    averaged = labels.test.scored_rankings(scores, Kind.HPD, averaged=True)
    annotated = labels.test.scored_rankings(scores, Kind.HPD, averaged=False)
    sessions = session_metrics(labels.test.scored_sessions(scores), model, seed)
    metrics = {
        "pickapic_accuracy": series_accuracy(series, by_probability(prior), seed),
        "hpd_spearman": ranking_spearman(annotated or averaged, prior, seed),
        "hpd_accuracy": inversion_accuracy(averaged, prior, seed),
        "choice_accuracy": sessions.choice_accuracy,
        "choice_nll": sessions.choice_nll,
        "cross_turn_accuracy": sessions.cross_turn_accuracy,
    }
    imagereward = labels.test.scored_rankings(scores, Kind.IMAGEREWARD, averaged=True)
    variants = {
        "pickapic_accuracy_by_prompt": series_accuracy(by_prompt, by_probability(prior), seed),
        "pickapic_accuracy_raw_score": series_accuracy(series, by_score(prior), seed),
        "pickscore_accuracy": pickscore_accuracy(
            _one_a_prompt(_series_of(labels.validation, tables, model)),
            _one_a_prompt(_series_of(labels.unique, tables, model) or by_prompt),
            prior,
            seed,
        ),
        "hpd_spearman_averaged": ranking_spearman(averaged, prior, seed),
        "imagereward_accuracy": strict_pair_accuracy(imagereward, prior, seed),
    }
    return Evaluation(metrics, variants, series, prior)


def _series_of(labels: LabelRows, tables: Tables, model: PreferenceModel) -> list[PairSeries]:
    return labels.series(score_uses(list(labels.uses), tables, model), by_prompt=True)


def _one_a_prompt(series: Sequence[PairSeries]) -> list[PairSeries]:
    """The first pair of each series: what a `_unique` split of Pick-a-Pic holds."""
    return [PairSeries(one.rater, one.differences[:1], one.labels[:1]) for one in series]
