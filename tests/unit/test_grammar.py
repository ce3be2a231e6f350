"""The scene grammar: every scene has a number, and held-out scenes are never drawn for training."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.microworld.grammar import (
    ATTRIBUTES,
    HELD_OUT,
    SCENES,
    Attributes,
    Scene,
    held_out_scenes,
    is_held_out,
    sample_scene,
)


@given(st.integers(0, SCENES - 1))
def test_a_number_names_one_scene(number: int) -> None:
    assert Scene.from_number(number).number == number


def test_the_world_is_as_large_as_promised() -> None:
    sizes = {name: len(values) for name, values in ATTRIBUTES.items()}
    least = {"subject": 12, "colour": 10, "setting": 8, "light": 8, "style": 6, "view": 3}
    assert all(sizes[name] >= count for name, count in least.items())


def test_training_never_draws_a_held_out_scene() -> None:
    rng = random.Random(0)
    assert not any(is_held_out(sample_scene(rng)) for _ in range(20_000))


def test_held_out_scenes_are_many_distinct_and_in_a_fixed_order() -> None:
    scenes = held_out_scenes()
    assert len({scene.number for scene in scenes}) == HELD_OUT
    assert scenes == held_out_scenes()
    assert all(is_held_out(scene) for scene in scenes)


def test_given_attributes_stay() -> None:
    scene = sample_scene(random.Random(3), Attributes(subject="cat", light="night"))
    assert (scene.subject, scene.light) == ("cat", "night")


def test_a_held_out_scene_cannot_be_asked_for_in_training() -> None:
    with pytest.raises(ValueError, match="held-out"):
        sample_scene(random.Random(0), held_out_scenes()[0].attributes)


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(ValueError, match="zebra"):
        Attributes(subject="zebra")
