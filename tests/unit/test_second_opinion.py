"""The selector `taste+value`: how two opinions become one, and how a value model is weighed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.second_opinion import Combined, ValueCalibration, combined, doubt_within
from pasta_core.agent.selectors import SelectorName, make_selector
from pasta_core.agent.taste_learner import Opinion, RememberedTexts, TasteLearner, picks_of
from pasta_core.agent.value_calibration import ASSUMED, CALIBRATION, calibration_of, save_calibration
from pasta_core.domain import Candidate, CandidateForm, History, Slate
from pasta_core.engines.fingerprints import content_digest
from pasta_core.engines.specs import SelectorSpec
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.training.value_calibration import HeardSlate, calibrate
from pasta_core.users.taste import Belief, Worth, believe
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_laplace import Gaussian
from pasta_core.users.taste_picks import normalised
from pasta_core.users.taste_record import NO_TASTE, KeptTaste, TasteRecord
from tests.support.tastes import START, World, embed_texts

WORLD = World.drawn(1)
SPACE = fit_space(
    "", [WORLD.pick(f"session {n}", 1) for n in range(60)], SpacePlan(image_rank=6, text_rank=6, ridge=1.0)
)
FORM = CandidateForm()
CANDIDATES = tuple(Candidate(f"option {n}", f"kind {n // 5}") for n in range(25))
KNOWN = ValueCalibration(slope=0.3, shared=0.1, deviation=0.4)
D = 4


@dataclass(frozen=True)
class Fixed:
    """A value model that says the same whatever happened."""

    told: tuple[float, ...]

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        return self.told


TOLD = Fixed(tuple(float(one) for one in np.random.default_rng(3).normal(5, 1, 25)))


def drawn_belief(seed: int, n: int = 6, scale: float = 1.0) -> tuple[Belief, np.ndarray, Worth]:
    """A belief over D features, features (n, D), and what the two make of candidates."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D)) * scale
    belief = Belief(np.ones(1), (Gaussian(rng.normal(size=D), root @ root.T),))
    features = rng.normal(size=(n, D))
    of_taste = np.einsum("nd,de,ne->n", features, belief.covariance, features)
    return belief, features, Worth(features @ belief.mean, np.sqrt(of_taste + 0.5))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.05, 3.0), st.floats(0.05, 3.0), st.floats(-0.5, 0.5))
def test_it_is_bayes_rule_for_errors_of_one_shape(
    seed: int, slope: float, deviation: float, shared: float
) -> None:
    belief, features, worth = drawn_belief(seed, n=D)
    values = np.random.default_rng(seed + 1).normal(size=D)
    calibration = ValueCalibration(slope, shared, deviation)
    found = combined(belief, features, worth, values, calibration)
    # the posterior of N(m, K) after y = H g + H e, Cov[e] = t^2 K / k, computed the long way
    K = features @ belief.covariance @ features.T
    H = np.eye(D) - 1 / D
    y = (values - shared * worth.means) / slope
    E = calibration.variance * K / doubt_within(K)
    gain = K @ H @ np.linalg.pinv(H @ (K + E) @ H, rcond=1e-10)
    mean = worth.means + gain @ H @ (y - worth.means)
    # candidates are only ever compared
    assert found.means - found.means.mean() == pytest.approx(mean - mean.mean(), abs=1e-6, rel=1e-5)
    left = H @ (K - gain @ H @ K) @ H
    assert left == pytest.approx((1 - found.weight) * H @ K @ H, abs=1e-6, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(-100, 100))
def test_what_a_slate_is_worth_as_a_whole_changes_nothing(seed: int, offset: float) -> None:
    belief, features, worth = drawn_belief(seed)
    values = np.random.default_rng(seed).normal(size=6)
    one = combined(belief, features, worth, values, KNOWN)
    other = combined(belief, features, worth, values + offset, KNOWN)
    assert one.means == pytest.approx(other.means, abs=1e-8)
    assert one.means.mean() == pytest.approx(worth.means.mean())


def test_the_surer_the_taste_the_less_the_value_model_moves_it() -> None:
    weights = []
    for scale in (3.0, 1.0, 0.3, 0.1):
        belief, features, worth = drawn_belief(5, scale=scale)
        weights.append(combined(belief, features, worth, np.arange(6.0), KNOWN).weight)
    assert weights == sorted(weights, reverse=True) and 0 < weights[-1] < weights[0] < 1
    belief, features, worth = drawn_belief(5)
    sharper = replace(KNOWN, deviation=0.1)
    assert combined(belief, features, worth, np.arange(6.0), sharper).weight > weights[1]


def test_a_value_model_that_says_nothing_leaves_the_taste() -> None:
    belief, features, worth = drawn_belief(7)
    for slope in (0.0, -0.2):
        found = combined(belief, features, worth, np.arange(6.0), replace(KNOWN, slope=slope))
        assert (found.means == worth.means).all() and (found.deviations == worth.deviations).all()
        assert found.weight == 0


def test_a_taste_that_tells_nothing_apart_leaves_the_value_models_order() -> None:
    belief = Belief(np.ones(1), (Gaussian(np.zeros(1), np.eye(1)),))
    worth = Worth(np.zeros(6), np.ones(6))
    values = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    found = combined(belief, np.zeros((6, 1)), worth, values, KNOWN)
    assert (np.argsort(found.means) == np.argsort(values)).all()


def test_being_told_makes_surer_but_never_of_the_picture() -> None:
    belief, features, worth = drawn_belief(11)
    found = combined(belief, features, worth, np.arange(6.0), KNOWN)
    assert (found.deviations < worth.deviations).all()
    assert (found.deviations >= np.sqrt(0.5) - 1e-9).all()


def test_draws_have_the_combined_posterior() -> None:
    belief, features, worth = drawn_belief(13)
    found = combined(belief, features, worth, np.arange(6.0), KNOWN)
    rng = np.random.default_rng(0)
    draws = np.array([found.drawn(features @ (belief.draw(rng) - belief.mean)) for _ in range(4_000)])
    assert draws.mean(0) == pytest.approx(found.means, abs=0.12)
    assert draws.var(0) == pytest.approx(found.deviations**2 - 0.5, rel=0.12)
    assert isinstance(found, Combined) and (found.drawn(np.zeros(6)) == found.means).all()


def learner(kept: KeptTaste = NO_TASTE) -> TasteLearner:
    return TasteLearner(RememberedTexts(embed_texts), SPACE, kept)


def slate(
    history: History,
    name: str = "taste:0+value",
    kept: KeptTaste = NO_TASTE,
    seed: int = 0,
    valuer: Fixed = TOLD,
    weighed: ValueCalibration = KNOWN,
) -> Slate:
    selector = make_selector(name, FORM, lambda model: valuer, learner(kept), lambda model: weighed)
    return asyncio.run(selector.select(history, CANDIDATES, 4, seed))


def test_a_slate_has_the_best_of_every_category_by_both() -> None:
    history = WORLD.history("a red train", 3)
    found = slate(history)
    opinion = asyncio.run(learner().opinion(history, CANDIDATES))
    both = combined(opinion.belief, opinion.means, opinion.worth, np.array(TOLD.told), KNOWN)
    best = [max(range(5 * n, 5 * n + 5), key=lambda i: both.means[i]) for n in range(5)]
    assert set(found.indices) == set(sorted(best, key=lambda i: -both.means[i])[:4])
    assert found.values == pytest.approx([both.means[index] for index in found.indices])


def test_it_is_the_taste_without_a_value_model_worth_hearing_and_moves_with_one() -> None:
    history = WORLD.history("a red train", 3)
    for exploration in ("0", "1"):
        alone = slate(history, f"taste:{exploration}", seed=4)
        deaf = slate(history, f"taste:{exploration}+value", seed=4, weighed=replace(KNOWN, slope=0.0))
        assert alone == deaf
    loud = replace(KNOWN, deviation=1e-6)
    top = slate(history, weighed=replace(loud, shared=0.0))
    value = make_selector("value", FORM, lambda model: TOLD)
    assert set(top.indices) == set(asyncio.run(value.select(history, CANDIDATES, 4, 0)).indices)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 99), st.sampled_from(["taste", "taste:1+value", "taste+value"]), st.integers(0, 3))
def test_strength_0_is_no_taste(seed: int, name: str, turns: int) -> None:
    past = asyncio.run(
        picks_of(WORLD.history("a blue boat", 5), RememberedTexts(embed_texts), "earlier", lambda turn: START)
    )
    record = TasteRecord(past, "clip")
    now = START + timedelta(days=3)
    history = WORLD.history("a red train", turns)
    none = slate(history, name, NO_TASTE, seed)
    assert slate(history, name, replace(record, strength=0.0).kept(now), seed) == none
    assert slate(history, name, record.kept(now), seed).values != none.values


def test_it_says_again_what_it_chose_by() -> None:
    history = WORLD.history("a red train", 2)
    selector = make_selector("taste:1+value", FORM, lambda model: TOLD, learner(), lambda model: KNOWN)
    judged = asyncio.run(selector.judge(history, CANDIDATES, 4, 9))  # type: ignore[attr-defined]
    shown = asyncio.run(selector.select(history, CANDIDATES, 4, 9))
    assert judged.values == pytest.approx(TOLD.told) and judged.picks == 2
    assert shown.values == pytest.approx([judged.expected[index] for index in shown.indices])
    for group in range(5):
        own = [index for index in shown.indices if index // 5 == group]
        assert all(judged.drawn[index] == max(judged.drawn[5 * group : 5 * group + 5]) for index in own)


def test_it_is_named_by_its_exploration_and_its_model() -> None:
    assert SelectorName.parse("taste+value") == SelectorName("taste+value")
    full = SelectorName.parse("taste:0.50+value:models/a+b")
    assert full == SelectorName("taste+value", "models/a+b", 0.5)
    assert str(full) == "taste:0.5+value:models/a+b" and full.learns and full.valued
    assert str(SelectorName.parse("taste+value").settled()) == "taste:0.25+value"
    for text in ("taste+value:", "taste+", "taste+values", "value+taste", "taste:+value", "taste:9e9+value"):
        for parse in (SelectorName.parse, SelectorSpec.parse):
            with pytest.raises(InvalidInput):
                parse(text)
    with pytest.raises(InvalidInput, match="value model"):
        make_selector("taste+value", FORM, learner=learner())
    with pytest.raises(InvalidInput, match="CLIP"):
        make_selector("taste+value", FORM, lambda model: TOLD)


def test_all_that_decides_it_is_in_its_plan(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    spec = SelectorSpec.parse("taste+value").resolved(profile)
    assert spec.name == "taste:0.25+value" and spec.path == profile.value_model and spec.space is not None
    (tmp_path / "value_model.json").write_text("{}")
    own = SelectorSpec.parse(f"taste+value:{tmp_path}").resolved(profile)
    before = content_digest(*own.models)
    save_calibration(tmp_path, KNOWN, {})
    assert content_digest(*own.models) != before
    alone = SelectorSpec.parse(f"value:{tmp_path}").resolved(profile)
    after = content_digest(*alone.models)
    (tmp_path / CALIBRATION).unlink()
    assert content_digest(*alone.models) == after, "what a value model is worth alone has no weight"


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert calibration_of(None) == calibration_of(tmp_path) == ASSUMED
    file = save_calibration(tmp_path, KNOWN, {"slates": 5})
    assert calibration_of(tmp_path) == KNOWN
    told = json.loads(file.read_bytes())
    for change in (
        {"version": 2},
        {"format": "x"},
        {"deviation": 0},
        {"slope": float("nan")},
        {"shared": "x"},
    ):
        file.write_text(json.dumps(told | change))
        with pytest.raises(ModelUnavailable):
            calibration_of(tmp_path)
    file.write_text("{")
    with pytest.raises(ModelUnavailable, match="damaged"):
        calibration_of(tmp_path)


def heard(seed: int, slates: int, truth: ValueCalibration, sharpness: float) -> list[HeardSlate]:
    """Slates of users whose utilities, and what is said of them, follow the model exactly."""
    rng = np.random.default_rng(seed)
    picks = asyncio.run(
        picks_of(WORLD.history("a red train", 20), RememberedTexts(embed_texts), "it", lambda turn: START)
    )
    beliefs = [believe(SPACE, picks[: 10 * turn]) for turn in range(3)]
    found = []
    for number in range(slates):
        turn = number % 3
        belief = beliefs[turn]
        texts = normalised(rng.normal(size=(26, 12)) + 2.0)
        foreseen = SPACE.foreseen(texts[0], texts[1:])
        opinion = Opinion(SPACE, belief, foreseen.means, belief.worth(foreseen), turn)
        g = opinion.means @ belief.draw(rng)
        error = opinion.means @ (belief.draw(rng) - belief.mean)
        k = doubt_within(opinion.means @ belief.covariance @ opinion.means.T)
        values = truth.slope * g + truth.shared * opinion.worth.means
        values = values + truth.deviation / np.sqrt(k) * error + rng.normal(5, 2)
        shown = tuple(int(one) for one in rng.choice(25, 4, replace=False))
        utilities = g[list(shown)] + rng.normal(0, 0.5, 4)
        chances = np.exp(utilities - utilities.max())
        chosen = int(rng.choice(4, p=chances / chances.sum()))
        found.append(HeardSlate(number // 3, turn + 1, opinion, values, shown, utilities / sharpness, chosen))
    return found


def test_the_three_numbers_are_found_again_and_both_know_more_than_either() -> None:
    truth = ValueCalibration(slope=0.4, shared=0.2, deviation=0.3)
    found = calibrate(heard(1, 1500, truth, sharpness=2.0))
    made = found.calibration
    assert found.nats == pytest.approx(2.0, rel=0.15)
    assert made.slope == pytest.approx(truth.slope, rel=0.25)
    assert made.slope + made.shared == pytest.approx(truth.slope + truth.shared, rel=0.15)
    assert made.deviation == pytest.approx(truth.deviation, rel=0.25)
    assert found.agreement.both > max(found.agreement.taste, found.agreement.value)
    assert len(found.by_turn) == 3


def test_values_that_have_nothing_to_do_with_users_are_not_heard() -> None:
    slates = heard(2, 600, ValueCalibration(0.4, 0.0, 0.3), sharpness=1.0)
    rng = np.random.default_rng(0)
    noise = [replace(slate, values=rng.normal(size=25)) for slate in slates]
    found = calibrate(noise)
    assert abs(found.calibration.slope) < 0.1 * found.calibration.deviation / 0.3
    assert found.agreement.both > 0.9 * found.agreement.taste
    with pytest.raises(InvalidInput, match="slates"):
        calibrate(slates[:50])
