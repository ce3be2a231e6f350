"""Bars that need the truth: the oracle, the Bayes classifier, and how alike types and archetypes are."""

from __future__ import annotations

import json
import random
from math import exp, log
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.images import PixelImage
from pasta_core.data.records import Pair
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.clusterings import adjusted_rand_index
from pasta_core.evaluation.metric import gap_closed
from pasta_core.evaluation.pairs import by_probability, judgements, series_accuracy
from pasta_core.evaluation.planted import (
    Truth,
    bayes_archetypes,
    label_log_likelihoods,
    oracle_series,
    planted_labels,
    recovered_types,
    type_recovery,
)
from pasta_core.evaluation.planted_report import Yardstick
from pasta_core.evaluation.preferences import PairSeries
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene
from pasta_core.microworld.raters import Sight
from pasta_core.microworld.ratings.answers import Verdicts
from pasta_core.microworld.ratings.population import Member, Population
from pasta_core.paths import find_assets

RATERS, LABELS, PICTURES = 32, 24, 240
NUMBERS = {"lapse": 0.04, "choice_temperature": 0.5}


def test_adjusted_rand_index_by_hand() -> None:
    assert adjusted_rand_index([0, 0, 1, 1], ["b", "b", "a", "a"]) == 1
    # Two pairs against one: (1 - 2 * 1 / 6) / ((2 + 1) / 2 - 2 * 1 / 6) = 4 / 7.
    assert adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(4 / 7)
    # No pair is together in both: (0 - 2 * 2 / 6) / (2 - 2 / 3) = -1 / 2.
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)
    assert adjusted_rand_index([0, 0, 0], [1, 1, 1]) == 1
    assert adjusted_rand_index([0, 0, 0, 0], [0, 0, 1, 1]) == 0
    assert adjusted_rand_index([], []) == 1
    with pytest.raises(ValueError):
        adjusted_rand_index([0], [0, 1])


def test_a_random_grouping_has_an_index_of_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(8), 12)
    found = [adjusted_rand_index(truth.tolist(), rng.integers(0, 8, 96).tolist()) for _ in range(200)]
    assert abs(float(np.mean(found))) < 0.005


def test_the_gap_closed_is_paired() -> None:
    floor, ceiling = np.array([0.0, 1, 0, 1]), np.array([1.0, 1, 1, 1])
    metric = gap_closed([1, 1, 0, 1], floor, ceiling, range(4))
    assert metric.value == pytest.approx(0.5)
    assert gap_closed(ceiling, floor, ceiling, range(4)).ci95 == (1, 1)
    assert gap_closed(floor, floor, ceiling, range(4)).ci95 == (0, 0)


def test_likelihoods_of_labels_by_hand() -> None:
    win = 1 / (1 + exp(-1 / 0.5))
    found = label_log_likelihoods(
        np.array([1.0, 1.0, 1.0, 0.1, 0.1]), np.array([1.0, 0.0, 0.5, 0.5, 1.0]), NUMBERS
    )
    near = 1 / (1 + exp(-0.1 / 0.5))
    expected = [
        log(0.96 * win + 0.02),
        log(0.96 * (1 - win) + 0.02),
        log(1e-3),
        log(0.96),
        log(0.04 * (0.96 * near + 0.02)),
    ]
    assert np.allclose(found, expected)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[Pair]]:
    """Test raters of all archetypes, and their labels of drawn pictures."""
    population = Population.sample("archetypes", 8, RATERS, 0, find_assets())
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(PICTURES)]
    pixels = np.stack([draw(scene, number) for number, scene in enumerate(scenes)])
    images = [PixelImage(f"picture {number}", pixels=picture) for number, picture in enumerate(pixels)]
    sight = population.sheet.look(population.eyes, pixels)
    members = population.of("test")
    names = {member.spec: f"pickapic:{number}" for number, member in enumerate(population.members)}
    pairs = []
    for member in members:
        rater, verdicts = population.rater(member), Verdicts(population.rater(member), 0)
        taste = rater.said_taste(sight) + rater.unsaid_taste(sight)
        for order in range(LABELS):
            first, second = rng.sample(range(PICTURES), 2)
            prompt = caption(sample_mention(rng, scenes[first], 0.4), rng)
            shown = Sight(sight.values[[first, second]], sight.unusual[[first, second]])
            faithful = population.sheet.population["fidelity"] * rater.fidelity(prompt, shown)
            utilities = faithful + taste[[first, second]]
            label = verdicts.prefer(float(utilities[0]), float(utilities[1]))
            name = names[member.spec]
            pairs.append(Pair(prompt, (images[first], images[second]), label, name, name, order=order))
    folder = tmp_path_factory.mktemp("planted")
    (folder / "truth.json").write_text(json.dumps(population.truth(names)))
    rng.shuffle(pairs)
    return Truth.load(folder, find_assets()), pairs


def test_the_truth_names_the_raters_that_labelled(planted: tuple[Truth, list[Pair]]) -> None:
    truth, pairs = planted
    labels = planted_labels(truth, pairs)
    assert len(labels.names) == RATERS
    assert len(labels.labels) == RATERS * LABELS
    pair = min((pair for pair in pairs if pair.group == labels.names[3]), key=lambda pair: pair.order)
    rater = truth.population.rater(truth.members[labels.names[3]])
    pictures = np.stack([image.open() for image in pair.images])
    first, second = rater.image_utilities(pair.prompt, pictures)
    assert labels.differences(rater)[3 * LABELS] == pytest.approx(first - second, abs=1e-4)


def test_the_oracle_errs_only_where_its_rater_does(planted: tuple[Truth, list[Pair]]) -> None:
    truth, pairs = planted
    labels = planted_labels(truth, pairs)
    series = oracle_series(truth, labels)
    oracle = series_accuracy(series, by_probability(np.ones(1)))
    assert oracle.n == RATERS * LABELS // 2
    assert oracle.value is not None
    assert 0.85 < oracle.value < 0.99
    for one in series:
        ties = one.labels == 0.5
        # Ties are what lies within the threshold, which is where the oracle predicts one.
        assert (np.abs(np.tanh(one.differences[ties, 0] / 2)) < 0.1).all()
    another = dict.fromkeys(truth.members, truth.members[labels.names[0]])
    stranger = oracle_series(Truth(truth.population, another), labels)
    assert series_accuracy(stranger, by_probability(np.ones(1))).value < oracle.value


def test_bayes_finds_the_archetypes_and_a_model_that_knows_them_does_too(
    planted: tuple[Truth, list[Pair]],
) -> None:
    truth, pairs = planted
    labels = planted_labels(truth, pairs)
    found, weights = bayes_archetypes(truth, labels, individuals=1000)
    bayes = type_recovery(truth, found)
    assert np.allclose(weights.sum(1), 1)
    assert bayes > 0.25
    # A model whose types are one sampled individual of each archetype comes near it.
    archetypes = sorted({member.archetype for member in truth.members.values()})
    scores = np.stack(
        [
            labels.differences(truth.population.rater(Member(archetype, 5, "test")))
            for archetype in archetypes
        ],
        axis=1,
    )
    rows = {name: np.array(labels.raters) == name for name in labels.names}
    series = [PairSeries(name, scores[row] / 0.5, labels.labels[row]) for name, row in rows.items()]
    types = recovered_types(series, np.full(8, 1 / 8))
    assert set(types) == set(labels.names)
    assert 0.1 < type_recovery(truth, types) <= 1


def test_labels_of_strangers_and_foreign_truths_are_refused(
    planted: tuple[Truth, list[Pair]], tmp_path: Path
) -> None:
    truth, pairs = planted
    strangers = [Pair(pair.prompt, pair.images, pair.label, None, "x") for pair in pairs[:2]]
    with pytest.raises(InvalidInput, match="planted"):
        planted_labels(truth, strangers)
    with pytest.raises(InvalidInput, match="no "):
        Truth.load(tmp_path, find_assets())
    (tmp_path / "truth.json").write_text('{"raters": [')
    with pytest.raises(InvalidInput, match="damaged"):
        Truth.load(tmp_path, find_assets())
    document = {"raters": [], "raters_sha256": "00", "population": "archetypes", "seed": 0}
    (tmp_path / "truth.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInput, match="other planted raters"):
        Truth.load(tmp_path, find_assets())


def test_a_model_that_is_the_oracle_closes_the_gap_and_one_type_closes_nothing(
    planted: tuple[Truth, list[Pair]],
) -> None:
    truth, pairs = planted
    yardstick = Yardstick(truth, pairs)
    oracle = oracle_series(truth, planted_labels(truth, pairs))
    # One type for all: everybody sees with the first rater's eyes.
    same = dict.fromkeys(truth.members, next(iter(truth.members.values())))
    one_type = oracle_series(Truth(truth.population, same), planted_labels(truth, pairs))
    floor = judgements(one_type, by_probability(np.ones(1)))
    best = yardstick.compare(oracle, np.ones(1), floor)
    assert best.gap_closed.value == 1
    assert best.gap_closable.value is not None and 0 < best.gap_closable.value < 1
    # Told the archetypes, a model knows more than one type for all, and less than who knows the individuals.
    assert yardstick.compare(one_type, np.ones(1)).gap_closable.n == 0
    accuracies = [series_accuracy(one_type, by_probability(np.ones(1))), best.archetypes, best.oracle]
    values = [one.value for one in accuracies if one.value is not None]
    assert values == sorted(values) and len(values) == 3
    assert yardstick.compare(one_type, np.ones(1), floor).gap_closed.value == 0
    assert best.types == 0
    assert best.oracle.value == series_accuracy(oracle, by_probability(np.ones(1))).value
    assert best.raters_sha256 == truth.population.sheet.sha256
    with pytest.raises(InvalidInput):
        yardstick.compare(oracle[1:], np.ones(1))
