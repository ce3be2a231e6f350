"""The learner of tastes: its likelihoods, the Laplace approximation, and what must not matter to it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.errors import InvalidInput
from pasta_core.users.posterior import belief_after, probabilities
from pasta_core.users.taste import Belief, believe
from pasta_core.users.taste_choices import stacked
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_laplace import laplace
from pasta_core.users.taste_picks import Pick, forgotten, merged, ordered, pick_weights
from pasta_core.users.taste_space import TasteSpace
from tests.support.tastes import START, World

WORLD = World.drawn(0)
SLATES = tuple(WORLD.pick(f"session {n // 5}", n % 5) for n in range(60))
PLAN = SpacePlan(image_rank=5, text_rank=4, ridge=1.0, image_deviation=0.5, text_deviation=0.3)
SPACE = fit_space("", SLATES, PLAN)


def tasted(w: np.ndarray, count: int, seed: int = 0, space: TasteSpace = SPACE) -> tuple[Pick, ...]:
    """Picks of somebody whose taste is w."""
    rng = np.random.default_rng(seed)
    picks = []
    for n in range(count):
        pick = WORLD.pick(f"prompt {seed} {n // 5}", n % 5)
        chances = np.exp(space.features(pick) @ w)
        picks.append(replace(pick, chosen=(int(rng.choice(4, p=chances / chances.sum())),)))
    return tuple(picks)


def same(one: Belief, other: Belief) -> bool:
    parts = zip(one.components, other.components, strict=True)
    return np.array_equal(one.types, other.types) and all(
        np.array_equal(a.mean, b.mean) and np.array_equal(a.covariance, b.covariance) for a, b in parts
    )


# one dimension, by hand


def test_one_pick_in_one_dimension_is_what_it_is_by_hand() -> None:
    # the objective log(1 + e^(-dw)) + w^2/2v has its mode where w = v d (1 - sigmoid(dw)); at d = ln 3 and
    # w = 1 the chance of the other is 1/4, so v = 4 / ln 3
    d, v = math.log(3), 4 / math.log(3)
    choices = stacked([np.array([[d], [0.0]])], [(0,)], [False], np.ones(1))
    found = laplace(choices, np.zeros(1), np.array([v]))
    assert found.posterior.mean == pytest.approx([1.0], abs=1e-9)
    hessian = 1 / v + d**2 * 3 / 16
    assert found.posterior.covariance == pytest.approx(np.array([[1 / hessian]]), rel=1e-9)
    evidence = -math.log(4 / 3) - 1 / (2 * v) - 0.5 * math.log(v * hessian)
    assert found.log_evidence == pytest.approx(evidence, rel=1e-9)


def test_the_evidence_is_near_the_integral() -> None:
    features = np.array([[1.0], [-0.5], [0.2]])
    choices = stacked([features] * 3, [(0,), (0,), (2,)], [False] * 3, np.ones(3))
    w = np.linspace(-12, 12, 20001)
    density = np.exp(-(w**2) / (2 * 0.8) - 0.5 * math.log(2 * math.pi * 0.8))
    likelihood = np.exp([-choices.value(np.array([at])) for at in w])
    integral = np.trapezoid(density * likelihood, w)
    assert laplace(choices, np.zeros(1), np.array([0.8])).log_evidence == pytest.approx(
        math.log(integral), abs=0.02
    )


@given(st.integers(0, 1000), st.lists(st.sampled_from(["one", "tie", "none"]), min_size=1, max_size=6))
def test_derivatives_are_those_of_the_likelihood(seed: int, kinds: list[str]) -> None:
    rng = np.random.default_rng(seed)
    features = [rng.normal(size=(int(rng.integers(2, 5)), 3)) for _ in kinds]
    chosen = [{"one": (1,), "tie": (0, 1), "none": ()}[kind] for kind in kinds]
    choices = stacked(features, chosen, [kind == "none" for kind in kinds], rng.uniform(0.1, 1, len(kinds)))
    w, step = rng.normal(size=3), 1e-5
    slope = choices.slope(w)
    for axis in np.eye(3):
        ahead, behind = choices.slope(w + step * axis), choices.slope(w - step * axis)
        assert (ahead.value - behind.value) / (2 * step) == pytest.approx(slope.gradient @ axis, abs=1e-5)
        assert (ahead.gradient - behind.gradient) / (2 * step) == pytest.approx(
            slope.hessian @ axis, abs=1e-5
        )


# what a pick says


def test_a_tie_prefers_neither_and_none_of_these_speaks_against_all() -> None:
    pick = WORLD.pick("a red train", 1)
    features = SPACE.features(pick)
    tie = believe(SPACE, [replace(pick, chosen=(0, 2))]).utilities(features)
    assert min(tie[0], tie[2]) > max(tie[1], tie[3])
    one = believe(SPACE, [replace(pick, chosen=(0,))]).utilities(features)
    assert one[0] > tie[0] and one[2] < tie[2]
    none = believe(SPACE, [replace(pick, chosen=(), outside=True)]).utilities(features)
    assert none.sum() < 0, "0 is the initial prompt's own picture"
    taken = believe(SPACE, [replace(pick, chosen=(0,), outside=True)]).utilities(features)
    assert taken[0] > one[0] - 1e-9, "chosen although none of these could be said"


def test_a_critique_raises_what_it_asks_for_by_one_deviation() -> None:
    # columns that do not differ: all that is learned is the critique
    pick = WORLD.pick("a red train", 1, critique="make it night")
    flat = replace(
        pick,
        images=np.repeat(pick.images[:1], 5, axis=0),
        texts=np.repeat(pick.texts[:1], 5, axis=0),
    )
    assert pick.critique_text is not None
    asked = SPACE.foreseen(pick.texts[0], pick.critique_text[None]).means[0]
    deviation = math.sqrt((SPACE.variances * asked**2).sum())
    assert believe(SPACE, [flat]).mean @ asked == pytest.approx(deviation, rel=1e-6)
    assert believe(SPACE, [flat], np.array([0.5])).mean @ asked == pytest.approx(deviation / 2, rel=1e-6)
    assert believe(SPACE, [replace(flat, critique_text=None)]).mean @ asked == pytest.approx(0, abs=1e-9)


def test_types_are_believed_by_what_they_say_of_the_picks() -> None:
    rng = np.random.default_rng(3)
    tastes = rng.normal(size=(3, SPACE.dimension))
    # tastes that are known exactly: the posterior is the fold of the choices' likelihoods (§5.3)
    certain = replace(
        SPACE,
        type_means=tastes,
        type_weights=np.array([0.5, 0.3, 0.2]),
        variances=np.full(SPACE.dimension, 1e-9),
    )
    picks = ordered(tasted(tastes[1], 6))
    logs = []
    for pick in picks:
        utilities = certain.features(pick) @ tastes.T
        logs.append((utilities - np.log(np.exp(utilities).sum(0)))[pick.chosen[0]])
    expected = probabilities(belief_after([0.5, 0.3, 0.2], logs))
    assert believe(certain, picks).types == pytest.approx(expected, abs=1e-4)
    assert believe(certain, ()).types == pytest.approx([0.5, 0.3, 0.2])
    assert believe(certain, picks).mean == pytest.approx(expected @ tastes, abs=1e-3)


def test_a_taste_is_learned() -> None:
    w = np.random.default_rng(5).normal(size=SPACE.dimension)
    held_out = [WORLD.pick(f"other {n}", 1) for n in range(80)]

    def agreement(picks: Sequence[Pick]) -> float:
        belief = believe(SPACE, ordered(picks))
        pairs = [(belief.utilities(SPACE.features(pick)), SPACE.features(pick) @ w) for pick in held_out]
        return float(np.mean([np.argmax(believed) == np.argmax(true) for believed, true in pairs]))

    assert agreement(tasted(w, 10)) > 0.35
    assert agreement(tasted(w, 150)) > 0.7


def test_more_picks_leave_less_doubt() -> None:
    w = np.random.default_rng(6).normal(size=SPACE.dimension)
    doubts = [np.trace(believe(SPACE, ordered(tasted(w, n))).covariance) for n in (0, 5, 25, 100)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] == pytest.approx(SPACE.variances.sum())


# what must not matter

picks_drawn = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3)), min_size=0, max_size=9
)


PLACES = {
    (session, turn): WORLD.pick(f"session {session}", turn) for session in range(4) for turn in range(6)
}


def drawn(places: Sequence[tuple[int, int, int]]) -> list[Pick]:
    return [
        replace(PLACES[session, turn], chosen=(column,), when=START + timedelta(hours=n))
        for n, (session, turn, column) in enumerate(places)
    ]


@given(picks_drawn, st.randoms(use_true_random=False))
def test_the_order_of_picks_does_not_matter(
    places: list[tuple[int, int, int]], shuffler: random.Random
) -> None:
    picks = list(merged(drawn(places)))
    belief = believe(SPACE, ordered(picks))
    shuffler.shuffle(picks)
    assert same(believe(SPACE, ordered(picks)), belief)
    # and not because they are sorted first: there is one mode
    assert believe(SPACE, picks).mean == pytest.approx(belief.mean, abs=1e-7)


@given(picks_drawn, picks_drawn)
def test_merging_is_the_union(first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]) -> None:
    one, other = drawn(first), drawn(second)
    both = merged(one, other)
    assert {pick.key for pick in both} == {pick.key for pick in (*one, *other)}
    assert [pick.key for pick in merged(other, one)] == [pick.key for pick in both]
    assert same(believe(SPACE, merged(other, one)), believe(SPACE, both))
    assert same(believe(SPACE, merged(both, both, one)), believe(SPACE, both)), "merging again adds nothing"


@given(picks_drawn, st.integers(0, 3))
def test_a_forgotten_session_has_never_been(places: list[tuple[int, int, int]], gone: int) -> None:
    picks = merged(drawn(places))
    never = merged([pick for pick in drawn(places) if pick.session != f"session {gone}"])
    assert same(believe(SPACE, forgotten(picks, f"session {gone}")), believe(SPACE, never))


@given(picks_drawn)
def test_picks_of_weight_0_say_nothing(places: list[tuple[int, int, int]]) -> None:
    picks = merged(drawn(places))
    weights = pick_weights(picks, START, None, strength=0.0)
    belief, nothing = believe(SPACE, picks, weights), believe(SPACE, ())
    assert belief.mean == pytest.approx(nothing.mean, abs=1e-12)
    assert belief.covariance == pytest.approx(nothing.covariance, abs=1e-9)


def test_a_half_life_halves_the_weight_of_what_is_older() -> None:
    picks = [replace(WORLD.pick("a", 1), when=START - timedelta(days=days)) for days in (0, 30, 60)]
    assert pick_weights(picks, START, timedelta(days=30), 0.8) == pytest.approx([0.8, 0.4, 0.2])
    assert pick_weights(picks, START - timedelta(days=90), timedelta(days=30)) == pytest.approx([1, 1, 1])


# drawing


def test_drawn_tastes_have_the_belief_s_mean_and_spread() -> None:
    belief = believe(SPACE, ordered(tasted(np.ones(SPACE.dimension), 20)))
    rng = np.random.default_rng(0)
    draws = np.array([belief.draw(rng) for _ in range(4000)])
    assert draws.mean(0) == pytest.approx(belief.mean, abs=0.05)
    assert np.cov(draws.T) == pytest.approx(belief.covariance, abs=0.03)
    assert np.array_equal(belief.draw(rng, 0.0), belief.mean)
    half = np.array([belief.draw(rng, 0.5) for _ in range(4000)])
    assert np.cov(half.T) == pytest.approx(belief.covariance / 4, abs=0.02)


# across the gap


def test_pictures_are_foreseen_from_texts_as_well_as_is_said() -> None:
    space = fit_space("", SLATES, SpacePlan(image_rank=5, text_rank=12, ridge=1.0))
    errors, totals = [], []
    for pick in (WORLD.pick(f"unseen {n}", 1) for n in range(60)):
        foreseen = space.foreseen(pick.texts[0], pick.texts[1:])
        true = space.features(pick)
        assert foreseen.means[:, space.painted :] == pytest.approx(true[:, space.painted :])
        left = true[:, : space.painted] - foreseen.means[:, : space.painted]
        scale = np.sqrt(np.diag(foreseen.residual)[None] * foreseen.unsure[:, None])
        errors.append(left / scale)
        totals.append((left**2, true[:, : space.painted] ** 2))
    explained = 1 - sum(e.sum() for e, _ in totals) / sum(t.sum() for _, t in totals)
    assert explained > 0.8
    deviations = np.concatenate(errors).std(0)
    assert ((deviations > 0.6) & (deviations < 1.4)).all(), deviations


def test_what_is_unlike_all_that_was_painted_is_less_sure() -> None:
    pick = SLATES[0]
    near = SPACE.foreseen(pick.texts[0], pick.texts[1:]).unsure
    far = SPACE.foreseen(pick.texts[0], pick.texts[0] + 5 * (pick.texts[1:] - pick.texts[0])).unsure
    assert (far > near).all() and (near > 1).all()


def test_the_uncertainty_of_a_prompt_is_that_of_its_taste_and_its_picture() -> None:
    belief = believe(SPACE, ordered(tasted(np.ones(SPACE.dimension), 20)))
    pick = WORLD.pick("a blue boat", 1)
    foreseen = SPACE.foreseen(pick.texts[0], pick.texts[1:])
    worth = belief.worth(foreseen)
    rng, draws = np.random.default_rng(1), 20000
    features = np.repeat(foreseen.means[:1], draws, axis=0)
    noise = foreseen.residual * foreseen.unsure[0]
    features[:, : SPACE.painted] += rng.multivariate_normal(np.zeros(SPACE.painted), noise, draws)
    tastes = rng.multivariate_normal(belief.mean, belief.covariance, draws)
    sampled = (features * tastes).sum(1)
    assert worth.means[0] == pytest.approx(np.mean(sampled), abs=0.03)
    assert worth.deviations[0] == pytest.approx(np.std(sampled), rel=0.05)


def test_a_space_does_not_depend_on_the_order_or_on_what_was_chosen() -> None:
    slates = list(SLATES)
    random.Random(1).shuffle(slates)
    again = fit_space("", [replace(slate, chosen=(3,)) for slate in slates], PLAN)
    for name, value in vars(SPACE).items():
        assert np.array_equal(getattr(again, name), value), name


def test_a_space_of_no_slates_knows_fidelity_alone() -> None:
    assert fit_space("", ()).dimension == 1
    few = fit_space("", SLATES[:1], PLAN)
    assert few.dimension <= 1 + 3 + 3, "four columns differ in three directions"


@pytest.mark.parametrize(
    "change",
    [
        {"chosen": (4,)},
        {"chosen": ()},
        {"chosen": (1, 1)},
        {"prompts": ("a", "b")},
        {"images": np.full((5, 12), np.nan, np.float32)},
        {"when": START.replace(tzinfo=None)},
        {"critique_text": np.zeros(5, np.float32)},
    ],
)
def test_a_pick_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        replace(WORLD.pick("a", 1), **change)  # type: ignore[arg-type]
