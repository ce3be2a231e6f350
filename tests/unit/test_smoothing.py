"""Noise on embeddings and averaged weights: seeded by the step, out of the E-step, and kept in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pasta_core.training.em import moved_prior, posterior
from pasta_core.training.em_state import EmState
from pasta_core.training.embedded_labels import ArrayTable
from pasta_core.training.label_batches import LabelSampler
from pasta_core.training.presets import PRESETS
from pasta_core.training.single_turn import SingleTurn, label_scores, rater_log_likelihoods
from pasta_core.training.smoothing import EmbeddingNoise, average_into
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.planted_mixture import Mixture, plant

SMALL = Mixture(types=2, raters=60, pairs=10, ratings=4, dimension=8, images=300, prompts=10)
CONFIG = replace(PRESETS["micro"].single_turn, batch=64, noise=0.0, target_average=0.0)
CPU = torch.device("cpu")


def _state() -> EmState[UserModel]:
    torch.manual_seed(0)
    return EmState(UserModel(UserModelConfig(8, 2)))


def test_noise_has_the_share_of_each_coordinates_spread_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    table = ArrayTable((rng.normal(size=(2000, 3)) * [1.0, 10.0, 0.1] + 5).astype(np.float32))
    rows = np.arange(1000)
    noise = EmbeddingNoise(table, 0.3, 0, "images")
    drawn = torch.cat([noise(torch.zeros(1000, 3), rows, step) for step in range(20)])
    assert drawn.mean(0).abs().max().item() < 0.1
    assert drawn.std(0).tolist() == pytest.approx([0.3, 3.0, 0.03], rel=0.05)


def test_a_rows_noise_is_the_same_whatever_lies_beside_it_and_another_in_another_step() -> None:
    table = ArrayTable(np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    noise, vectors = EmbeddingNoise(table, 0.5, 3, "texts"), torch.zeros(3, 4)
    together = noise(vectors, np.array([4, 9, 40]), 7)
    torch.testing.assert_close(noise(vectors[:1], np.array([9]), 7)[0], together[1])
    assert not torch.equal(noise(vectors[:1], np.array([9]), 8)[0], together[1])
    assert not torch.equal(together[0], together[1])


def test_the_e_step_sees_no_noise() -> None:
    labels = plant(SMALL).labels
    noisy, state = replace(CONFIG, noise=5.0), _state()
    loss = SingleTurn(state, labels, noisy, seed=1)(0)
    batch, before = LabelSampler(labels, 64, 1).batch(0, CPU), _state().live
    gamma = posterior(before.prior, rater_log_likelihoods(label_scores(before, batch), batch, 0.25))
    expected = moved_prior(before.prior, gamma, batch.rater_weight, CONFIG.alpha_prior)
    torch.testing.assert_close(state.live.prior, expected)
    assert loss.item() > SingleTurn(_state(), labels, CONFIG, seed=1)(0).item()


def test_the_average_is_kept_with_the_prior() -> None:
    labels, state = plant(SMALL).labels, _state()
    phase = SingleTurn(state, labels, replace(CONFIG, target_average=0.5), seed=1)
    phase(0)
    with torch.no_grad():
        state.live.log_scale.add_(1.0)
    phase(100)
    assert phase.result is state.target
    assert (state.live.log_scale - phase.result.log_scale).item() == pytest.approx(0.5, abs=1e-5)
    torch.testing.assert_close(phase.result.prior, state.live.prior)
    assert SingleTurn(_state(), labels, CONFIG, seed=1).result is not state.target


def test_an_average_of_few_steps_forgets_where_it_began() -> None:
    target, live = nn.Linear(1, 1), nn.Linear(1, 1)
    for step in range(30):
        average_into(target, live, step, 0.999)
    torch.testing.assert_close(target.weight, live.weight)
