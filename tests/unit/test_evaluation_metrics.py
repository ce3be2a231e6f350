"""The paper's metrics, each against numbers worked out by hand."""

from __future__ import annotations

from math import exp, log, tanh

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.domain import Comparison
from pasta_core.evaluation.choices import session_metrics
from pasta_core.evaluation.metric import NOTHING, clustered_mean
from pasta_core.evaluation.pairs import (
    by_probability,
    by_score,
    halves,
    pickscore_accuracy,
    series_accuracy,
)
from pasta_core.evaluation.preferences import (
    PairSeries,
    ScoredRanking,
    ScoredSession,
    ScoredTurn,
    log_preferences,
    posterior,
)
from pasta_core.evaluation.rankings import (
    average_ranks,
    inversion_accuracy,
    ranking_spearman,
    spearman,
    strict_pair_accuracy,
)

ONE = np.array([1.0])
TWO = np.array([0.5, 0.5])


class Softmax:
    """Two types in closed form: a column's utility is its best score, choices are its softmax."""

    prior = TWO

    def scores(self, images: object, texts: object, image_rows: object, text_rows: object) -> np.ndarray:
        raise AssertionError("the scores are given")

    def utilities(self, scores: np.ndarray) -> np.ndarray:
        return scores.max(-1)

    def log_choices(self, utilities: np.ndarray) -> np.ndarray:
        return utilities - np.log(np.exp(utilities).sum(-1, keepdims=True))


def series(rater: str, differences: list[list[float]], labels: list[float]) -> PairSeries:
    return PairSeries(rater, np.array(differences, np.float64), np.array(labels, np.float64))


def test_the_posterior_is_bayes_rule() -> None:
    likelihoods = np.log([[0.8, 0.2], [0.6, 0.5]])
    expected = np.array([0.3 * 0.8 * 0.6, 0.7 * 0.2 * 0.5])
    assert np.allclose(posterior(np.array([0.3, 0.7]), likelihoods), expected / expected.sum())
    assert np.allclose(posterior(np.array([0.3, 0.7]), np.zeros((0, 2))), [0.3, 0.7])


def test_a_preference_is_bradley_terry_and_a_tie_is_half_of_both() -> None:
    differences, labels = np.array([[1.0], [1.0], [2.0]]), np.array([1.0, 0.0, 0.5])
    win, lose = -log(1 + exp(-1)), -log(1 + exp(1))
    tie = (-log(1 + exp(-2)) - log(1 + exp(2))) / 2
    assert np.allclose(log_preferences(differences, labels)[:, 0], [win, lose, tie])
    assert np.isfinite(log_preferences(np.array([[1e4]]), np.array([0.0]))).all()


def test_a_series_is_halved_in_time() -> None:
    seen, asked = halves(series("a", [[1], [2], [3]], [1, 0, 0.5]))
    assert seen.labels.tolist() == [1]
    assert asked.labels.tolist() == [0, 0.5]
    assert asked.differences.tolist() == [[2], [3]]
    assert len(halves(series("a", [[1]], [1]))[0].labels) == 0


def test_pickapic_accuracy_by_hand() -> None:
    # Two types that want opposite things. Three labels are seen: the first has likelihoods sigma(4) and
    # sigma(-4), the second is a tie, equally likely for both, the third has sigma(1) and sigma(-1).
    gamma = 1 / (1 + exp(-5))
    one = series(
        "a",
        [[4, -4], [4, -4], [1, -1], [0.1, -0.1], [1, -1], [-0.2, 0.2]],
        [1, 0.5, 1, 0.5, 0, 0.5],
    )
    expected = [tanh(x / 2) * (2 * gamma - 1) for x in (0.1, 1, -0.2)]
    judged = by_probability(TWO)(*halves(one))
    assert np.allclose(judged, expected)
    # The tie at 0.049 is right, the strict label at 0.456 has the other sign, the tie at 0.098 is right.
    metric = series_accuracy([one], by_probability(TWO))
    assert metric.value == pytest.approx(2 / 3)
    assert metric.n == 3
    assert metric.chance == pytest.approx((1 + 0.5 + 1) / 3)
    # By raw scores the last tie lies at 0.197 and is wrong.
    assert np.allclose(by_score(TWO)(*halves(one)), [x * (2 * gamma - 1) for x in (0.1, 1, -0.2)])
    assert series_accuracy([one], by_score(TWO)).value == pytest.approx(1 / 3)


def test_a_series_of_one_label_is_predicted_from_the_prior() -> None:
    one = series("a", [[4, -1]], [1])
    assert np.allclose(by_score(np.array([0.25, 0.75]))(*halves(one)), [0.25])
    assert series_accuracy([one], by_score(np.array([0.25, 0.75]))).value == 1
    assert series_accuracy([one], by_score(np.array([0.1, 0.9]))).value == 0


def test_equal_scores_are_wrong_for_a_strict_label_and_right_for_a_tie() -> None:
    same = [series("a", [[0.0]], [1]), series("b", [[0.0]], [0]), series("c", [[0.0]], [0.5])]
    assert series_accuracy(same, by_probability(ONE)).value == pytest.approx(1 / 3)


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=8),
    st.floats(0.1, 0.9),
)
def test_swapping_every_pair_changes_nothing(labelled: list[tuple[float, float]], share: float) -> None:
    differences = np.array([[x, -x / 2] for x, _ in labelled])
    labels = np.array([label for _, label in labelled])
    prior = np.array([share, 1 - share])
    there = series_accuracy([PairSeries("a", differences, labels)], by_probability(prior))
    back = series_accuracy([PairSeries("a", -differences, 1 - labels)], by_probability(prior))
    assert there.value == pytest.approx(back.value)


def test_pickscore_accuracy_by_hand() -> None:
    # tanh(x / 2) is 0.1 at 0.2007 and 0.9 at 2.944, so these differences are about 0.05, 0.25 and 0.90.
    near, middle, far = 0.1, 0.5108, 2.95
    validation = [series("v", [[near], [middle], [far]], [0.5, 0.5, 1.0])]
    # A threshold of 0.3 gets all three right; smaller ones give half for the second.
    test = [
        series("a", [[near]], [0.5]),  # a tie, and predicted as one: 1
        series("b", [[-middle]], [0.0]),  # not a tie, predicted as one: 0.5
        series("c", [[far]], [0.0]),  # the wrong image: 0
        series("d", [[-far]], [0.5]),  # a tie, predicted as image 1: 0.5
    ]
    metric = pickscore_accuracy(validation, test, ONE)
    assert metric.value == pytest.approx(2 / 4)
    assert metric.chance == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)
    assert metric.n == 4
    assert pickscore_accuracy([], test, ONE) is NOTHING


def test_the_floor_of_pickscores_metric_is_what_always_predicting_a_tie_earns() -> None:
    ties = [series(str(i), [[0.0]], [0.5 if i < 3 else 1.0]) for i in range(20)]
    metric = pickscore_accuracy(ties, ties, ONE)
    assert metric.value == metric.chance == pytest.approx(0.5 + 0.5 * 3 / 20)


def test_ranks_and_spearman_by_hand() -> None:
    assert average_ranks(np.array([3.0, 1.0, 3.0, 9.0])).tolist() == [2.5, 1, 2.5, 4]
    truth = np.array([1.0, 2, 3, 4])
    columns = np.array([[10.0, 4, 1], [20, 3, 1], [30, 2, 1], [40, 1, 1]])
    assert np.allclose(spearman(columns, truth), [1, -1, 0])
    # One swap of neighbours among four: 1 - 6 * 2 / (4 * 15).
    assert np.allclose(spearman(np.array([[1.0], [3], [2], [4]]), truth), 0.8)
    # With ties: ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4 have a correlation of 4.5 / sqrt(4.5 * 5).
    assert np.allclose(spearman(np.array([[1.0], [1], [3], [4]]), truth), 4.5 / np.sqrt(22.5))


def test_ranking_spearman_weights_the_types_by_their_posterior() -> None:
    ranks = np.arange(1.0, 10)
    ordered, reversed_ = -ranks * 0.5, ranks * 0.5
    ranking = ScoredRanking("i", "a", np.stack([ordered, reversed_], 1), ranks)
    # Whichever three are sampled, the first type likes each pair's winner by the same amounts as the second
    # likes its loser, so the posterior is sigma of the summed differences.
    rng_free = ranking_spearman([ranking], np.array([1.0, 0.0]))
    assert rng_free.value == pytest.approx(1)
    metric = ranking_spearman([ranking], TWO)
    found = {
        (a, b, c): 2 / (1 + exp(-2 * 0.5 * (c - a))) - 1
        for a in range(1, 10)
        for b in range(a + 1, 10)
        for c in range(b + 1, 10)
    }
    assert any(metric.value == pytest.approx(value) for value in found.values())
    assert metric.chance == 0
    assert metric.n == 1
    assert ranking_spearman([ranking], TWO, seed=0).value == metric.value


def test_lists_too_short_to_be_ordered_are_left_out() -> None:
    short = ScoredRanking("i", None, np.zeros((4, 1)), np.arange(4.0))
    assert ranking_spearman([short], ONE) is NOTHING


def test_inversion_accuracy_is_hpdv2s_own() -> None:
    def theirs(predicted: list[int], real: list[float]) -> float:
        # hpsv2/evaluation.py: 1 - the share of pairs whose differences have opposite signs
        n = len(predicted)
        wrong = sum(
            (predicted[i] - predicted[j]) * (real[i] - real[j]) < 0
            for i in range(n - 1)
            for j in range(i + 1, n)
        )
        return 1 - wrong / (n * (n - 1) / 2)

    scores = np.array([0.3, 0.9, 0.1, 0.5])
    ranks = np.array([2.0, 1.0, 3.0, 3.0])
    predicted = (-scores).argsort().argsort()
    metric = inversion_accuracy([ScoredRanking("i", None, scores[:, None], ranks)], ONE)
    assert metric.value == pytest.approx(theirs(predicted.tolist(), ranks.tolist()))
    assert metric.value == pytest.approx(5 / 6)
    assert metric.chance == pytest.approx(1 - 5 / 12)  # five of six pairs have an order
    flat = ScoredRanking("i", None, np.zeros((4, 1)), ranks)
    assert inversion_accuracy([flat], ONE).value == pytest.approx(inversion_accuracy([flat], ONE).chance)


def test_strict_pair_accuracy_leaves_ties_out_and_counts_equal_scores_as_wrong() -> None:
    one = ScoredRanking("i", None, np.array([[3.0], [2], [2]]), np.array([1.0, 2, 5]))
    two = ScoredRanking("j", None, np.array([[1.0], [2]]), np.array([3.0, 3]))
    metric = strict_pair_accuracy([one, two], ONE)
    assert metric.n == 3
    assert metric.value == pytest.approx(2 / 3)
    assert metric.chance == 0.5


def turn(
    scores: list[list[float]], choice: int, comparison: Comparison | None = None, number: int = 1
) -> ScoredTurn:
    """Columns of one image each, whose scores the two types see."""
    return ScoredTurn(number, tuple(np.array([column]) for column in scores), choice, comparison)


def test_session_metrics_by_hand() -> None:
    # Type 0 likes column 0, type 1 likes column 1, each by log 3: they choose it with probability 3/4.
    opposite = [[log(3), 0.0], [0.0, log(3)]]
    session = ScoredSession(
        "a",
        (
            turn(opposite, 0),
            turn(opposite, 0, Comparison.SAME, 2),
            turn([[log(3), 0.0], [0.0, 0.0]], 1, Comparison.WORSE, 3),
        ),
    )
    metrics = session_metrics([session], Softmax())
    # The prior sees a draw, which is half a hit. Then gamma = (3/4, 1/4): 3/4 * 3/4 + 1/4 * 1/4 = 5/8.
    # Then gamma = (9/10, 1/10): column 1 has probability 9/10 * 1/4 + 1/10 * 1/2 = 11/40, a miss.
    assert metrics.choice_accuracy.value == pytest.approx((0.5 + 1 + 0) / 3)
    assert metrics.choice_accuracy.chance == 0.5
    assert metrics.choice_nll.value == pytest.approx(-(log(1 / 2) + log(5 / 8) + log(11 / 40)) / 3)
    assert metrics.choice_nll.chance == pytest.approx(log(2))
    # The chosen columns are worth (log 3, 0), (log 3, 0) and (0, 0): the same, then worse.
    assert metrics.cross_turn_accuracy.value == 1
    assert metrics.cross_turn_accuracy.n == 2
    assert metrics.cross_turn_accuracy.chance == pytest.approx((1 + 0.5) / 2)


def test_what_a_rater_chose_in_one_session_is_known_in_the_next_but_not_of_others() -> None:
    opposite = [[log(3), 0.0], [0.0, log(3)]]
    first, again = ScoredSession("a", (turn(opposite, 0),)), ScoredSession("a", (turn(opposite, 0),))
    other = ScoredSession("b", (turn(opposite, 0),))
    known = session_metrics([first, again], Softmax()).choice_nll.value
    unknown = session_metrics([first, other], Softmax()).choice_nll.value
    assert known == pytest.approx(-(log(1 / 2) + log(5 / 8)) / 2)
    assert unknown == pytest.approx(log(2))


def test_a_turn_is_compared_with_the_one_before_it_alone() -> None:
    better = [[log(3), 0.0], [0.0, log(3)]]
    session = ScoredSession("a", (turn(better, 0), turn(better, 0, Comparison.SAME, number=3)))
    assert session_metrics([session], Softmax()).cross_turn_accuracy is NOTHING


def test_what_was_reconfirmed_is_compared_and_what_was_chosen_is_foreseen() -> None:
    columns = (np.array([[0.0, 0.0]]), np.array([[2.0, 2.0]]))
    turns = (
        ScoredTurn(1, columns, 1, selected=0),
        ScoredTurn(2, columns, 1, Comparison.BETTER, selected=1),
    )
    metrics = session_metrics([ScoredSession("a", turns)], Softmax())
    assert metrics.choice_accuracy.value == 1
    assert metrics.cross_turn_accuracy.value == 1
    unchanged = tuple(ScoredTurn(turn.number, columns, 1, turn.comparison) for turn in turns)
    assert session_metrics([ScoredSession("a", unchanged)], Softmax()).cross_turn_accuracy.value == 0


def test_columns_may_hold_different_numbers_of_images() -> None:
    columns = (np.array([[0.0, 0.0], [2.0, 2.0]]), np.array([[1.0, 1.0]]))
    metrics = session_metrics([ScoredSession("a", (ScoredTurn(1, columns, 0),))], Softmax())
    assert metrics.choice_nll.value == pytest.approx(log(1 + exp(-1)))


def test_an_interval_is_over_clusters() -> None:
    # Ten raters of ten equal judgements each know no more than ten raters of one judgement each.
    ones = [float(rater % 2) for rater in range(10)]
    few = clustered_mean(ones, range(10), np.full(10, 0.5), seed=3)
    many = clustered_mean(np.repeat(ones, 10), np.repeat(range(10), 10).tolist(), np.full(100, 0.5), seed=3)
    assert many.ci95 == pytest.approx(few.ci95)
    assert many.value == few.value == 0.5
    # The mean of ten fair coins: 95 % of it lies within 2 or 3 of 5.
    assert few.ci95 == pytest.approx((0.2, 0.8))
    assert clustered_mean(np.ones(5), range(5), np.zeros(5)).ci95 == (1, 1)
    assert clustered_mean([], [], []) is NOTHING


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        rates = rng.beta(4, 4, 40)
        values = (rng.random((40, 6)) < rates[:, None]).astype(float)
        metric = clustered_mean(values.ravel(), np.repeat(range(40), 6).tolist(), np.zeros(240), seed=trial)
        assert metric.ci95 is not None
        covered += metric.ci95[0] <= 0.5 <= metric.ci95[1]
    assert 180 <= covered <= 199


def test_nothing_says_nothing_in_the_same_four_keys() -> None:
    assert NOTHING.as_json() == {"value": None, "ci95": None, "chance": None, "n": 0}
