"""The drawer: a scene and a seed are one picture."""

from __future__ import annotations

import random

import numpy as np

from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import Scene, sample_scene
from pasta_core.microworld.statistics import STATISTICS, pixel_statistics

SCENE = Scene("boat", "red", "beach", "sunset", "photo", "full view")


def test_the_same_seed_draws_the_same_picture() -> None:
    assert np.array_equal(draw(SCENE, 5), draw(SCENE, 5))
    assert not np.array_equal(draw(SCENE, 5), draw(SCENE, 6))


def test_every_kind_of_scene_can_be_drawn() -> None:
    rng = random.Random(0)
    for seed in range(200):
        picture = draw(sample_scene(rng), seed)
        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 5


def test_statistics_measure_what_they_are_called() -> None:
    grey = np.full((1, 64, 64, 3), 100, np.uint8)
    warm = grey + np.array([40, 0, 0], np.uint8)
    light = grey + np.uint8(60)
    checks = grey.copy()
    checks[:, ::2, ::2] = 200
    measured = dict(
        zip(
            STATISTICS,
            np.concatenate([pixel_statistics(x) for x in (grey, warm, light, checks)]).T,
            strict=True,
        )
    )
    assert measured["warmth"][1] == 40
    assert measured["brightness"][2] - measured["brightness"][0] == np.float32(60)
    assert measured["contrast"][3] > 0
    assert measured["detail"][0] == 0
    assert measured["detail"][3] > 10
