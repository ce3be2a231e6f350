"""Wording: a reworded prompt says what it should, and what was said before stays as it was said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.microworld.captions import caption, parse_attributes
from pasta_core.microworld.grammar import Attributes, sample_scene
from pasta_core.microworld.wording import Wording, reword


@given(st.integers(0, 2**32 - 1))
def test_a_reworded_prompt_says_its_attributes_and_is_a_fixed_point(seed: int) -> None:
    rng = random.Random(seed)
    said = sample_scene(rng).attributes
    current = Wording.read(caption(said, rng))
    prompt = reword(said, current, rng, 62, current.fillers)
    assert parse_attributes(prompt) == current.said == said
    assert reword(said, Wording.read(prompt), rng, 62, current.fillers) == prompt


@pytest.mark.parametrize(
    ("prompt", "change", "expected"),
    [
        ("a lonely locomotive in the woods", Attributes(light="night"), "locomotive in the woods"),
        ("Crimson tulip, by the sea", Attributes(view="close-up"), "a crimson tulip by the sea, close-up"),
        ("red cat, sketch", Attributes(style="pop art"), "pop art of a red cat"),
    ],
)
def test_the_users_words_stay(prompt: str, change: Attributes, expected: str) -> None:
    current = Wording.read(prompt)
    assert expected in reword(current.said.updated(change), current, random.Random(0), 62)


@given(st.integers(0, 2**32 - 1), st.integers(6, 20))
def test_the_budget_is_kept(seed: int, budget: int) -> None:
    rng = random.Random(seed)
    current = Wording.read("a lonely little red train among the trees of a forest under polar lights")
    assert len(reword(sample_scene(rng).attributes, current, rng, budget, current.fillers).split()) <= budget
