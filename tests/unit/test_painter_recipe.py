"""What the denoiser is trained on, without training it."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.microworld.grammar import ATTRIBUTES
from pasta_core.microworld.recipes.latent_recogniser import UNSAID, LatentRecogniser, recognition_loss
from pasta_core.microworld.recipes.painter_recipe import PainterRecipe, new_scheduler, training_times


@given(seed=st.integers(0, 2**31), share=st.sampled_from((0.0, 0.25, 0.5, 1.0)))
def test_a_batch_holds_the_sampled_noise_levels_and_sees_the_rest_of_the_schedule(seed, share):
    recipe = PainterRecipe(batch=32, at_sampling_steps=share)
    scheduler = new_scheduler()
    scheduler.set_timesteps(recipe.sampling_steps)
    times = training_times(recipe, torch.Generator().manual_seed(seed))
    exact, spread = times[: round(32 * share)], times[round(32 * share) :]
    assert times.shape == (32,)
    assert set(exact.tolist()) == (set(scheduler.timesteps.tolist()) if share else set())
    stride = 1000 / max(1, len(spread))
    assert all(stride * place - 1 < time < stride * (place + 1) for place, time in enumerate(spread.tolist()))


def test_recognition_is_the_cross_entropy_of_what_is_said_and_nothing_for_the_rest():
    logits = [torch.zeros(2, len(values)) for values in ATTRIBUTES.values()]
    wanted = torch.full((2, len(ATTRIBUTES)), UNSAID)
    wanted[0, 0], wanted[0, 1] = 3, 5
    loss = recognition_loss(logits, wanted)
    sizes = [len(values) for values in ATTRIBUTES.values()]
    assert torch.allclose(loss, torch.tensor([math.log(sizes[0]) + math.log(sizes[1]), 0.0]))


def test_the_recogniser_has_a_head_for_every_attribute():
    heads = LatentRecogniser()(torch.zeros(3, 8, 8, 8))
    assert [head.shape for head in heads] == [(3, len(values)) for values in ATTRIBUTES.values()]
