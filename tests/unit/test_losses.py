"""The losses of App. D: values worked out by hand, and gradients against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pasta_core.training.losses import (
    choice_loss,
    expected_loss,
    mixture_loss,
    multi_turn_loss,
    preference_loss,
    relevance_loss,
)
from pasta_core.users.choice import ChoiceTemperature, log_choice_probabilities

ONE_TYPE = torch.ones(1, 1)


def _column(*values: float) -> Tensor:
    return torch.tensor([[value] for value in values])


def test_bradley_terry_takes_the_logarithm() -> None:
    # ln 3 ahead wins three times of four: -ln(3/4) if it did, -ln(1/4) if it did not
    ahead, behind = _column(math.log(3)), _column(0.0)
    assert preference_loss(ONE_TYPE, ahead, behind, torch.tensor([1.0])).item() == pytest.approx(
        -math.log(0.75)
    )
    assert preference_loss(ONE_TYPE, ahead, behind, torch.tensor([0.0])).item() == pytest.approx(
        -math.log(0.25)
    )


def test_a_tie_is_half_of_each() -> None:
    loss = preference_loss(ONE_TYPE, _column(math.log(3)), _column(0.0), torch.tensor([0.5]))
    assert loss.item() == pytest.approx(-0.5 * (math.log(0.75) + math.log(0.25)))


def test_a_rating_costs_its_squared_distance() -> None:
    # (0.8 - 0.3)^2 / (2 * 0.25^2) = 2
    loss = relevance_loss(ONE_TYPE, _column(0.8), torch.tensor([0.3]), nu=0.25)
    assert loss.item() == pytest.approx(2.0)


def test_types_count_by_their_posterior() -> None:
    gamma = torch.tensor([[0.25, 0.75]])
    first, second = torch.tensor([[math.log(3), 0.0]]), torch.zeros(1, 2)
    loss = preference_loss(gamma, first, second, torch.tensor([1.0]))
    assert loss.item() == pytest.approx(-(0.25 * math.log(0.75) + 0.75 * math.log(0.5)))


def test_the_mixture_weighs_ratings_by_kappa() -> None:
    assert mixture_loss(torch.tensor(0.7), torch.tensor(2.0), kappa_1=0.5).item() == pytest.approx(1.7)


def test_a_choice_costs_its_surprise() -> None:
    # utilities ln 2, 0, 0, 0 at temperature 1: the first has 2/5
    utilities = torch.tensor([[[math.log(2), 0.0, 0.0, 0.0]]])
    log_choices = log_choice_probabilities(utilities, torch.ones(1, 1))
    assert choice_loss(ONE_TYPE, log_choices, torch.tensor([0])).item() == pytest.approx(-math.log(0.4))
    assert choice_loss(ONE_TYPE, log_choices, torch.tensor([3])).item() == pytest.approx(-math.log(0.2))


def test_the_multi_turn_loss_adds_its_terms() -> None:
    total = multi_turn_loss(
        torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0), kappa_2=0.01, kappa_3=1.0
    )
    assert total.item() == pytest.approx(4.02)


def test_a_weight_multiplies_its_label_and_a_count_replaces_the_number_of_labels() -> None:
    gamma, likelihood = torch.ones(2, 1), _column(-1.0, -2.0)
    weight = torch.tensor([1.0, 0.5])
    assert expected_loss(gamma, likelihood, weight=weight).item() == pytest.approx(1.0)
    assert expected_loss(gamma, likelihood, count=4).item() == pytest.approx(0.75)


def test_no_labels_cost_nothing_and_leave_a_gradient_of_zero() -> None:
    scores = torch.zeros(0, 2, requires_grad=True)
    loss = preference_loss(torch.zeros(0, 2), scores, scores, torch.zeros(0))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None


def _choices(utilities: Tensor) -> Tensor:
    torch.manual_seed(3)
    temperature = ChoiceTemperature(3, 5).double()
    torch.nn.init.normal_(temperature.last.weight)
    log_choices = log_choice_probabilities(utilities, temperature(utilities))
    return choice_loss(GAMMA[:2], log_choices, torch.tensor([2, 0]))


GAMMA = torch.tensor([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]], dtype=torch.float64)
LABEL = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)

LOSSES: dict[str, tuple[Callable[..., Tensor], tuple[tuple[int, ...], ...]]] = {
    "preference": (lambda a, b: preference_loss(GAMMA, a, b, LABEL), ((3, 2), (3, 2))),
    "relevance": (lambda mean: relevance_loss(GAMMA, mean, LABEL, nu=0.3), ((3, 2),)),
    "choice": (_choices, ((2, 2, 3),)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss, shapes = LOSSES[name]
    generator = torch.Generator().manual_seed(0)
    inputs = tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes
    )
    assert torch.autograd.gradcheck(loss, inputs)
