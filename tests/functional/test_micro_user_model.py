"""The shipped user model: it belongs to the shipped CLIP, and foresees what raters it never met prefer."""

from __future__ import annotations

import random

import numpy as np

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.evaluation.pairs import by_probability, series_accuracy
from pasta_core.evaluation.preferences import PairSeries
from pasta_core.evaluation.torch_model import UserModelPreferences
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import held_out_scenes
from pasta_core.microworld.ratings.answers import Verdicts
from pasta_core.microworld.ratings.population import Population
from pasta_core.paths import find_assets, locate
from pasta_core.profiles import load_profile
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import load_user_model

RATERS, PROMPTS, PICTURES, LABELS = 64, 40, 6, 16


def test_it_reads_the_shipped_clip_and_has_eight_living_types() -> None:
    profile = load_profile("micro", locate({}))
    assert profile.user_model is not None
    model = load_user_model(profile.user_model)
    assert model.config.clip == encoder_fingerprint(profile.clip.model)
    assert model.types == 8
    assert float(model.prior.min()) > 0.1 / 8


def test_it_foresees_the_preferences_of_new_raters_on_new_scenes() -> None:
    profile, assets = load_profile("micro", locate({})), find_assets()
    assert profile.user_model is not None
    population = Population.sample("archetypes", 8, RATERS, 0, assets)
    rng = random.Random(0)
    prompts, pixels = [], []
    for _ in range(PROMPTS):
        # pictures of one prompt show most of what it says, and differ in the rest
        scenes = rng.sample(held_out_scenes(), PICTURES)
        prompts.append(caption(sample_mention(rng, scenes[0], 0.4), rng))
        pixels.append(np.stack([draw(scene, rng.randrange(1000)) for scene in scenes]))
    clip = ClipEncoder.load(profile.clip.model)
    images, texts = clip.embed_images(list(np.concatenate(pixels))), clip.embed_texts(prompts)
    rows = np.arange(len(images))
    scores = UserModelPreferences.load(profile.user_model, "cpu").scores(
        images, texts, rows, rows // PICTURES
    )
    series = []
    for member in population.of("test"):
        rater, verdicts = population.rater(member), Verdicts(population.rater(member), 0)
        differences, labels = [], []
        for _ in range(LABELS):
            prompt, (first, second) = rng.randrange(PROMPTS), rng.sample(range(PICTURES), 2)
            utilities = rater.image_utilities(prompts[prompt], pixels[prompt][[first, second]])
            differences.append(scores[prompt * PICTURES + first] - scores[prompt * PICTURES + second])
            labels.append(verdicts.prefer(float(utilities[0]), float(utilities[1])))
        series.append(PairSeries(member.spec, np.array(differences), np.array(labels)))
    prior = UserModelPreferences.load(profile.user_model, "cpu").prior
    found = series_accuracy(series, by_probability(prior))
    assert found.ci95 is not None and found.chance is not None
    # 0.713 (0.670 to 0.754) where chance has 0.538
    assert found.ci95[0] > found.chance + 0.1
