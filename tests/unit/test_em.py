"""Expectation and maximisation: closed forms, invariances, and types that are found again."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pasta_core.training.em import group_sums, moved_prior, posterior, types_report
from pasta_core.training.em_state import EmState
from pasta_core.training.embedded_labels import EmbeddedLabels
from pasta_core.training.held_out import measure
from pasta_core.training.label_batches import MOST_LABELS, LabelSampler, batch_of
from pasta_core.training.loop import train
from pasta_core.training.presets import PRESETS, SingleTurnConfig
from pasta_core.training.single_turn import SingleTurn, label_scores, rater_log_likelihoods
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.planted_mixture import Mixture, plant

CPU = torch.device("cpu")
SMALL = Mixture(types=2, raters=60, pairs=10, ratings=4, dimension=8, images=300, prompts=10)


PLAIN = replace(PRESETS["micro"].single_turn, noise=0.0, target_average=0.0)
"""Algorithm 1 to the letter."""


def _config(**changes: object) -> SingleTurnConfig:
    return replace(PLAIN, **changes)  # type: ignore[arg-type]


def _model(types: int, dimension: int = 8, seed: int = 0) -> UserModel:
    torch.manual_seed(seed)
    return UserModel(UserModelConfig(dimension, types))


def test_the_posterior_by_hand() -> None:
    likelihood = torch.tensor([[0.9, 0.3], [0.1, 0.4]]).log()
    gamma = posterior(torch.tensor([0.5, 0.5]), likelihood)
    torch.testing.assert_close(gamma, torch.tensor([[0.75, 0.25], [0.2, 0.8]]))


def test_hundreds_of_labels_do_not_underflow() -> None:
    gamma = posterior(torch.tensor([0.5, 0.5]), torch.tensor([[-5000.0, -5001.0]]))
    torch.testing.assert_close(gamma.sum(-1), torch.ones(1))
    assert gamma[0, 0].item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_labels_are_summed_by_rater_and_none_is_zero() -> None:
    sums = group_sums(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([2, 0, 1]))
    assert sums.tolist() == [[3.0], [0.0], [4.0]]
    assert group_sums(torch.zeros(0, 2), torch.tensor([0, 0])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_prior_moves_by_its_share() -> None:
    gamma = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    moved = moved_prior(torch.tensor([0.5, 0.5]), gamma, torch.tensor([3.0, 1.0]), alpha=0.9)
    torch.testing.assert_close(moved, torch.tensor([0.9 * 0.5 + 0.1 * 0.75, 0.9 * 0.5 + 0.1 * 0.25]))


def test_dead_types_are_named() -> None:
    report = types_report(torch.tensor([0.49, 0.49, 0.02 - 1e-3, 1e-3]))
    assert (report.alive, report.dead) == (2, (2, 3))
    assert types_report(torch.full((4,), 0.25)).prior_entropy == pytest.approx(math.log(4))


def test_em_raises_the_likelihood_of_a_mixture_of_coins_to_the_truth() -> None:
    """Types that win with chances 0.9 and 0.3: the M-step is a weighted mean, so EM is exact."""
    rng = np.random.default_rng(0)
    types = rng.random(800) < 0.4
    wins = torch.from_numpy((rng.random((800, 12)) < np.where(types, 0.9, 0.3)[:, None]).astype(np.float64))
    lengths = torch.full((800,), 12)
    prior, chance = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor([0.6, 0.5]).double()
    likelihoods = []
    for _ in range(40):
        of_label = (wins.reshape(-1, 1) * chance + (1 - wins.reshape(-1, 1)) * (1 - chance)).log()
        of_rater = group_sums(of_label, lengths)
        likelihoods.append(torch.logsumexp(prior.log() + of_rater, -1).mean().item())
        gamma = posterior(prior, of_rater)
        prior = moved_prior(prior, gamma, torch.ones(800).double(), alpha=0.0)
        chance = (gamma * wins.mean(-1, keepdim=True)).sum(0) / gamma.sum(0)
    assert all(after >= before - 1e-12 for before, after in pairwise(likelihoods))
    assert chance.tolist() == pytest.approx([0.9, 0.3], abs=0.03)
    assert prior.tolist() == pytest.approx([0.4, 0.6], abs=0.05)


def test_one_type_is_bradley_terry() -> None:
    labels = plant(replace(SMALL, ratings=0)).labels
    state = EmState(_model(1))
    phase = SingleTurn(state, labels, _config(batch=64), seed=5)
    loss = phase(0)
    rows, _, _ = LabelSampler(labels, 64, 5).draw(0)

    def scores(which: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        images, texts = labels.images.gather(which), labels.texts.gather(labels.text[rows])
        every = torch.arange(len(rows))
        model = state.live
        return model.scores(
            model.cosines(torch.from_numpy(images), torch.from_numpy(texts), every, every)
        ).squeeze(-1)

    difference = scores(labels.first[rows]) - scores(labels.second[rows])
    value = torch.from_numpy(labels.value[rows])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(difference, value)
    torch.testing.assert_close(loss, expected)
    assert state.live.prior.tolist() == [1.0]


def test_the_e_step_sees_the_target_network_and_no_weight() -> None:
    planted = plant(SMALL).labels
    weighted = replace(planted, weight=np.full_like(planted.weight, 7.0))
    for labels in (planted, weighted):
        state = EmState(_model(2))
        phase = SingleTurn(state, labels, _config(batch=64, target_every=100, alpha_prior=0.0), seed=1)
        phase(0)
        with torch.no_grad():
            state.live.log_scale.add_(1.0)
        phase(1)
        batch = LabelSampler(labels, 64, 1).batch(1, CPU)
        frozen = rater_log_likelihoods(label_scores(state.target, batch), batch, 0.25)
        before = EmState(_model(2))
        first = SingleTurn(before, labels, _config(batch=64, alpha_prior=0.0), seed=1)
        first(0)
        gamma = posterior(before.live.prior, frozen)
        expected = moved_prior(before.live.prior, gamma, batch.rater_weight, 0.0)
        torch.testing.assert_close(state.live.prior, expected)


def test_the_target_network_follows_every_n_steps() -> None:
    state = EmState(_model(2))
    with torch.no_grad():
        state.live.log_scale.add_(1.0)
    state.update_target(3, every=4)
    assert state.target.log_scale != state.live.log_scale
    state.update_target(4, every=4)
    assert state.target.log_scale == state.live.log_scale
    assert not any(parameter.requires_grad for parameter in state.target.parameters())


def _uneven() -> EmbeddedLabels:
    labels = plant(replace(SMALL, raters=20, pairs=20, ratings=0)).labels
    return replace(labels, starts=np.array([0, 1, 3, 8, 20, 60, 160, 400], np.int64))


def test_every_label_is_drawn_equally_often_and_never_twice_from_one_draw_of_a_rater() -> None:
    labels = _uneven()
    sampler = LabelSampler(labels, 500, 0)
    counts = np.zeros(len(labels))
    for step in range(300):
        rows, taken, weight = sampler.draw(step)
        assert len(rows) == taken.sum() == 500
        assert len(weight) == len(taken)
        assert taken.max() <= MOST_LABELS
        for part in np.split(rows, np.cumsum(taken)[:-1]):
            group = np.searchsorted(labels.starts, part, side="right")
            assert len(set(part)) == len(part)
            assert len(set(group)) == 1
        np.add.at(counts, rows, 1)
    by_rater = np.add.reduceat(counts, labels.starts[:-1]) / np.diff(labels.starts)
    # the last draw of a step is cut short, which favours raters of few labels a little
    assert by_rater.max() / by_rater.min() < 1.25


def test_a_step_draws_the_same_labels_on_any_number_of_devices() -> None:
    labels = plant(SMALL).labels
    sampler = LabelSampler(labels, 100, 3)
    whole = sampler.batch(7, CPU)
    parts = [sampler.batch(7, CPU, index, 3) for index in range(3)]
    assert sum(len(part.pairs.label) for part in parts) == len(whole.pairs.label)
    assert sum(len(part.ratings.value) for part in parts) == len(whole.ratings.value)
    assert {part.pair_mass for part in parts} == {whole.pair_mass}
    assert sum(part.rater_weight.sum() for part in parts) == pytest.approx(whole.rater_weight.sum().item())
    assert sampler.batch(8, CPU).pairs.label.tolist() != whole.pairs.label.tolist()


def test_a_batch_holds_each_image_once() -> None:
    labels = plant(SMALL).labels
    batch = batch_of(labels, np.array([0, 1, 0]), np.array([2, 1]), CPU)
    assert len(torch.unique(batch.images, dim=0)) == len(batch.images)
    first = torch.from_numpy(labels.images.gather(labels.first[[0, 1, 0]]))
    assert torch.equal(batch.images[batch.pairs.first], first)


def test_planted_types_are_found_again(tmp_path: Path) -> None:
    mixture = Mixture(types=2, raters=300, pairs=16, dimension=12, images=1500, prompts=40, taste=3.0)
    planted = plant(mixture)
    training = planted.labels.of_groups(np.arange(240))
    unseen = planted.labels.of_groups(np.arange(240, 300))
    found = {}
    for types in (1, 2):
        state = EmState(_model(types, dimension=12))
        config = replace(PRESETS["micro"].single_turn, steps=120, batch=512, report_every=120, peak_rate=2e-3)
        phase = SingleTurn(state, training, config, seed=0)
        train("phase", state, phase, config.loop(1e9), tmp_path / str(types), lambda name, told: None)
        found[types] = measure(phase.result, unseen, CPU)
    assert found[2].accuracy > found[1].accuracy + 0.1
    agreement = (found[2].gamma.argmax(-1).numpy() == planted.types[240:]).mean()
    assert max(agreement, 1 - agreement) > 0.9
