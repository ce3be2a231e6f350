"""Captions say scenes in many ways, and every way can be read back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.microworld.captions import (
    caption,
    parse_attributes,
    parse_idea,
    sample_mention,
)
from pasta_core.microworld.grammar import SCENES, Attributes, Scene


@given(st.integers(0, SCENES - 1), st.integers(0, 2**32))
def test_what_a_caption_says_can_be_read_back(number: int, seed: int) -> None:
    rng = random.Random(seed)
    said = sample_mention(rng, Scene.from_number(number))
    assert parse_attributes(caption(said, rng)) == said


@given(st.integers(0, SCENES - 1), st.integers(0, 2**32), st.integers(8, 20))
def test_a_caption_keeps_to_its_words(number: int, seed: int, most: int) -> None:
    rng = random.Random(seed)
    scene = Scene.from_number(number)
    text = caption(scene.attributes, rng, max_words=most)
    assert len(text.split()) <= most


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a red train in the snow", Attributes(subject="train", colour="red", setting="snow")),
        ("Pencil sketch of a KITTEN at night!", Attributes(subject="cat", light="night", style="sketch")),
        ("close-up, tulip, golden", Attributes(subject="flower", colour="yellow", view="close-up")),
        ("steam train", Attributes(subject="train")),
        ("under northern lights", Attributes(light="aurora")),
    ],
)
def test_what_people_type_is_understood(typed: str, meant: Attributes) -> None:
    assert parse_attributes(typed) == meant


def test_ideas_are_recognised() -> None:
    assert parse_idea("an image of happiness") == "happiness"
    assert parse_idea("a red train") is None


def test_nothing_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="nothing"):
        caption(Attributes(), random.Random(0))
