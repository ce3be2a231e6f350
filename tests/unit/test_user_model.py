"""What a user model promises whatever its weights are: Assumptions 1 and 2, and no order that matters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from pasta_core.errors import InvalidInput
from pasta_core.users.choice import ChoiceTemperature, log_choice_probabilities
from pasta_core.users.posterior import (
    belief_after,
    most_likely_type,
    observe,
    prior_belief,
    probabilities,
)
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_core.users.utility import Aggregator, utility

D, K, L, M = 6, 3, 4, 4

UTILITIES = arrays(np.float64, st.tuples(st.just(K), st.integers(2, 9)), elements=st.floats(-50, 50))


def _model(seed: int = 0, types: int = K) -> UserModel:
    torch.manual_seed(seed)
    model = UserModel(UserModelConfig(D, types))
    torch.nn.init.normal_(model.temperature.last.weight)
    return model.eval()


def _wild_temperature(seed: int) -> ChoiceTemperature:
    torch.manual_seed(seed)
    temperature = ChoiceTemperature(L, 8).double()
    for parameter in temperature.parameters():
        torch.nn.init.normal_(parameter, std=10)
    return temperature


def _pairs(count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, D, generator=generator)
    texts = torch.randn(count, D, generator=generator)
    return images, texts, torch.arange(count)


@given(UTILITIES, st.integers(0, 100))
@settings(max_examples=50)
def test_the_likeliest_choice_is_the_column_of_highest_utility(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]], seed: int
) -> None:
    """Assumptions 1 and 2: choice follows preference, preference follows utility, whatever was learnt."""
    utilities = torch.from_numpy(values)
    temperature = _wild_temperature(seed)(utilities)
    assert (temperature > 0).all()
    log_choices = log_choice_probabilities(utilities, temperature)
    best = utilities.argmax(-1, keepdim=True)
    assert torch.equal(log_choices.gather(-1, best), log_choices.amax(-1, keepdim=True))
    higher = utilities.unsqueeze(-1) > utilities.unsqueeze(-2) + 1e-6
    assert (log_choices.unsqueeze(-1) > log_choices.unsqueeze(-2))[higher].all()


@given(UTILITIES, st.integers(0, 100))
@settings(max_examples=30)
def test_permuting_columns_permutes_the_choice(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]], seed: int
) -> None:
    utilities, temperature = torch.from_numpy(values), _wild_temperature(seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(values.shape[-1]))
    plain = log_choice_probabilities(utilities, temperature(utilities))
    moved = log_choice_probabilities(utilities[:, order], temperature(utilities[:, order]))
    torch.testing.assert_close(moved, plain[:, order])


def test_the_temperature_sees_differences_only_and_begins_at_one() -> None:
    utilities = torch.randn(7, L, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ChoiceTemperature(L, 8)(utilities), torch.ones(7))
    wild = _wild_temperature(1)
    torch.testing.assert_close(wild(utilities.double() + 3), wild(utilities.double()))


def test_permuting_types_permutes_the_scores() -> None:
    model, (images, texts, rows) = _model(), _pairs()
    before = model.scores(model.cosines(images, texts, rows, rows))
    order = torch.tensor([2, 0, 1])
    for encoder in (model.image_encoder, model.text_encoder):
        last = encoder.layers[-1]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.weight.copy_(last.weight.view(K, D, -1)[order].flatten(0, 1))
            last.bias.copy_(last.bias.view(K, D)[order].flatten())
    after = model.scores(model.cosines(images, texts, rows, rows))
    torch.testing.assert_close(after, before[:, order])


def test_types_differ_from_the_start() -> None:
    model, (images, texts, rows) = _model(), _pairs()
    cosines = model.cosines(images, texts, rows, rows)
    assert cosines.std(-1).min() > 1e-4
    assert cosines.abs().max() <= 1 + 1e-6


def test_a_pair_scores_alike_wherever_it_stands_in_the_tables() -> None:
    model, (images, texts, rows) = _model(), _pairs()
    plain = model.cosines(images, texts, rows, rows)
    twice = model.cosines(images, texts, torch.tensor([3, 0, 3]), torch.tensor([3, 0, 3]))
    assert torch.equal(twice, plain[[3, 0, 3]])


def test_without_offsets_every_type_sees_clips_own_cosine() -> None:
    model, (images, texts, rows) = _model(), _pairs()
    for encoder in (model.image_encoder, model.text_encoder):
        for parameter in encoder.parameters():
            torch.nn.init.zeros_(parameter)
    expected = torch.cosine_similarity(images, texts).unsqueeze(-1).expand(-1, K)
    torch.testing.assert_close(model.cosines(images, texts, rows, rows), expected)


def test_an_embedding_of_zeros_has_a_score() -> None:
    model = _model()
    for parameter in model.image_encoder.parameters():
        torch.nn.init.zeros_(parameter)
    rows = torch.zeros(1, dtype=torch.long)
    assert model.cosines(torch.zeros(1, D), torch.ones(1, D), rows, rows).tolist() == [[0.0] * K]


def test_the_rating_rises_with_the_score_whatever_the_slope_was_learnt_to_be() -> None:
    model = _model()
    torch.nn.init.constant_(model.log_slope, -20.0)
    low, high = model.relevance(torch.tensor([-1.0, 1.0], dtype=torch.float64)).tolist()
    assert low < high


def test_the_aggregators_of_a_column() -> None:
    scores = torch.tensor([[0.0, np.log(3.0)]])
    assert utility(scores, Aggregator.MEAN).item() == pytest.approx(np.log(3) / 2)
    assert utility(scores, Aggregator.MAX).item() == pytest.approx(np.log(3))
    # weights 1/4 and 3/4
    assert utility(scores, Aggregator.SOFTMAX).item() == pytest.approx(0.75 * np.log(3))


@given(arrays(np.float64, (5, M), elements=st.floats(-20, 20)))
@settings(max_examples=30)
def test_the_softmax_sampler_lies_between_mean_and_maximum(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    scores = torch.from_numpy(values)
    soft, cold = utility(scores), utility(scores, temperature=1e-3)
    assert (soft >= scores.mean(-1) - 1e-9).all()
    assert (soft <= scores.amax(-1) + 1e-9).all()
    assert (cold >= soft - 1e-6).all()
    assert torch.equal(utility(scores[:, [2, 0, 3, 1]]).round(decimals=9), soft.round(decimals=9))


def test_a_belief_is_bayes_rule() -> None:
    belief = belief_after([0.5, 0.5], [np.log([0.9, 0.3]), np.log([0.5, 0.5])])
    np.testing.assert_allclose(probabilities(belief), [0.75, 0.25])
    assert most_likely_type(belief) == 0


@given(st.lists(arrays(np.float64, K, elements=st.floats(-300, 0)), max_size=12))
def test_a_belief_does_not_depend_on_the_order_and_never_underflows(
    likelihoods: list[np.ndarray[tuple[int], np.dtype[np.float64]]],
) -> None:
    prior = [0.2, 0.3, 0.5]
    belief = belief_after(prior, likelihoods)
    assert np.isfinite(belief).all()
    assert probabilities(belief).sum() == pytest.approx(1)
    np.testing.assert_allclose(belief_after(prior, likelihoods[::-1]), belief, atol=1e-8)


def test_a_type_that_nobody_is_stays_out() -> None:
    belief = observe(prior_belief([0.0, 1.0]), np.log([0.9, 0.1]))
    np.testing.assert_allclose(probabilities(belief), [0, 1])


@pytest.mark.parametrize(("name", "value"), [("types", 0), ("nu", 0.0), ("initial_scale", 1000.0)])
def test_a_shape_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        UserModelConfig(D, **{name: value})  # type: ignore[arg-type]
