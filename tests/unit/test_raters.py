"""Planted raters keep the rules that make the microworld honest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pasta_core.errors import InvalidInput
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.grammar import Scene
from pasta_core.microworld.rater_agreement import measure_agreement
from pasta_core.microworld.raters import PlantedRater, RaterSheet

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return Eyes.load(ASSETS / "micro" / "eyes")


def _columns(*scenes: Scene) -> list[list[np.ndarray]]:
    return [[draw(scene, seed) for seed in range(4)] for scene in scenes]


NIGHT = Scene("cat", "blue", "snow", "night", "photo", "full view")
DAY = Scene("cat", "yellow", "meadow", "sunlight", "photo", "full view")
HOUSE = Scene("house", "yellow", "meadow", "sunlight", "photo", "full view")


def test_raters_agree_as_often_as_people_do(eyes: Eyes) -> None:
    agreement = measure_agreement(RaterSheet.load(ASSETS), eyes, pairs=600, seed=7)
    assert 0.75 <= agreement.between_raters <= 0.80
    assert 0.85 <= agreement.with_oneself <= 0.90


def test_captions_cannot_tell_two_fifths_of_the_taste(eyes: Eyes) -> None:
    assert measure_agreement(RaterSheet.load(ASSETS), eyes, pairs=300, seed=8).unsaid_share >= 0.40


def test_a_night_lover_and_a_sun_lover_differ(eyes: Eyes) -> None:
    columns = _columns(NIGHT, DAY)
    nocturne = PlantedRater.load("planted:nocturne", ASSETS, eyes).column_utilities("a cat", columns)
    sunny = PlantedRater.load("planted:sunny", ASSETS, eyes).column_utilities("a cat", columns)
    assert nocturne[0] - nocturne[1] > sunny[0] - sunny[1]


def test_everybody_wants_what_they_asked_for(eyes: Eyes) -> None:
    for number in range(8):
        rater = PlantedRater.load(f"planted:{number}", ASSETS, eyes)
        utilities = rater.column_utilities("a cat", _columns(DAY, HOUSE))
        assert utilities[0] > utilities[1] + 2


def test_the_same_seed_repeats_a_choice_and_individuals_differ(eyes: Eyes) -> None:
    columns = _columns(NIGHT, DAY, HOUSE)
    rater = PlantedRater.load("planted:3:5", ASSETS, eyes)
    assert rater.choose("a cat", columns, 11) == rater.choose("a cat", columns, 11)
    other = PlantedRater.load("planted:3:6", ASSETS, eyes)
    assert rater.choose("a cat", columns, 11).utilities != other.choose("a cat", columns, 11).utilities


def test_choices_follow_utility_with_lapses(eyes: Eyes) -> None:
    rater = PlantedRater.load("planted:sunny", ASSETS, eyes)
    much, little = np.array([0.0, 5.0, 0.0, 0.0]), np.array([0.0, 0.2, 0.0, 0.0])
    clear, close = (
        np.mean([rater.choose_among(utilities, seed).column == 1 for seed in range(3000)])
        for utilities in (much, little)
    )
    lapses = 0.75 * rater.sheet.population["lapse"]
    assert clear == pytest.approx(1 - lapses, abs=0.01)
    assert 0.3 < close < 0.6


@pytest.mark.parametrize("spec", ["planted:", "planted:nobody", "planted:12", "planted:0:x", "human:0"])
def test_an_unknown_rater_is_refused(spec: str, eyes: Eyes) -> None:
    with pytest.raises(InvalidInput):
        PlantedRater.load(spec, ASSETS, eyes)


def test_unseen_archetypes_have_no_number() -> None:
    sheet = RaterSheet.load(ASSETS)
    assert len(sheet.seen) == 8
    assert {archetype.name for archetype in sheet.archetypes if archetype.unseen} == {
        "minimalist",
        "dramatist",
    }
