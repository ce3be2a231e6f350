"""Data sets of planted ratings: true schemas, known truth, and readers that find what was written."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pasta_core.data.checking import check_source
from pasta_core.data.records import Pair, Ranking, Rating, SessionRecord, SourceReport, Tally
from pasta_core.data.sources import open_source, parse_source
from pasta_core.domain import Comparison
from pasta_core.errors import InvalidInput
from pasta_core.microworld.raters import PlantedRater, RaterSheet
from pasta_core.microworld.ratings.answers import TIE, Panel, Verdicts, rate_turn
from pasta_core.microworld.ratings.build import build_ratings
from pasta_core.microworld.ratings.order import Order
from pasta_core.microworld.ratings.pool import PoolPlan, paint_pool
from pasta_core.microworld.ratings.population import FIRST_INDIVIDUAL, Population
from pasta_core.microworld.ratings.study import StudyModels
from pasta_core.settings import SessionSettings
from tests.support.blocks import BlockPainter
from tests.support.rollouts import WordWriter

ASSETS = Path(__file__).parents[2] / "assets"
SHAPE = SessionSettings(turns=3, columns=4, images=2)


def _build(order: Order, folder: Path, painter: BlockPainter | None = None) -> Population:
    models = StudyModels(WordWriter(), painter or BlockPainter(), SHAPE)
    report = lambda done, total: None  # noqa: E731
    return asyncio.run(build_ratings(order, models, ASSETS, folder / "work", folder / order.format, report))


def _check(folder: Path, kind: str, split: str | None = None) -> SourceReport:
    return check_source(open_source(parse_source(f"{kind}:{folder / kind}"), ASSETS), split)


def _records(folder: Path, kind: str, split: str | None = None) -> list:
    return list(open_source(parse_source(f"{kind}:{folder / kind}"), ASSETS).records(split, Tally()))


def _truth(folder: Path, kind: str) -> dict[str, dict]:
    truth = json.loads((folder / kind / "truth.json").read_text())
    return {rater["rater"]: rater for rater in truth["raters"]}


def _digest(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def pickapic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pickapic")
    _build(Order("pickapic", raters=8, labels=12), folder)
    return folder


def test_pickapic_is_read_back_whole(pickapic: Path) -> None:
    report = _check(pickapic, "pickapic")
    rows = [
        row
        for file in sorted((pickapic / "pickapic" / "data").glob("*.parquet"))
        if "unique" not in file.name
        for row in pq.read_table(file, columns=["has_label", "label_0"]).to_pylist()
    ]
    labelled = [row for row in rows if row["has_label"]]
    assert len(rows) == (8 + 1 + 2) * 12
    assert report.labels == {
        "pairs": len(labelled),
        "ties": sum(row["label_0"] == 0.5 for row in labelled),
    }
    assert report.skipped.get("has_label is false", 0) == len(rows) - len(labelled)
    assert report.raters == 8 + 1 + 2
    assert report.opened == report.images > 0


def test_pickapic_winners_stay(pickapic: Path) -> None:
    series: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in _records(pickapic, "pickapic", "train"):
        series[pair.series].append(pair)
    kept = stayed = 0
    for pairs in series.values():
        pairs.sort(key=lambda pair: pair.order)
        for before, after in pairwise(pairs):
            if before.label in (0.0, 1.0) and after.order - before.order == 7_000_000:
                winner = before.images[int(before.label == 0)].name
                kept += 1
                stayed += winner in {image.name for image in after.images}
    assert kept > 20 and stayed == kept


def test_splits_have_individuals_of_their_own(pickapic: Path) -> None:
    truth = _truth(pickapic, "pickapic")
    for split in ("train", "validation", "test"):
        raters = {pair.rater for pair in _records(pickapic, "pickapic", split)}
        assert raters and {truth[rater]["split"] for rater in raters} == {split}
        assert all(truth[rater]["individual"] >= FIRST_INDIVIDUAL[split] for rater in raters)
    specs = [rater["spec"] for rater in truth.values()]
    assert len(set(specs)) == len(specs)


def test_labels_follow_the_truth(pickapic: Path) -> None:
    """A rater's own utility, computed anew from the pictures in the file, agrees with most of its labels."""
    truth = _truth(pickapic, "pickapic")
    sheet = RaterSheet.load(ASSETS)
    eyes = PlantedRater.load("planted:0", ASSETS).eyes
    agree = total = 0
    for pair in _records(pickapic, "pickapic", "test"):
        if pair.tie:
            continue
        member = truth[pair.rater]
        rater = PlantedRater(sheet, sheet.named(member["archetype"]), member["individual"], eyes)
        first, second = rater.image_utilities(pair.prompt, np.stack([image.open() for image in pair.images]))
        agree += (first > second) == (pair.label == 1)
        total += 1
    assert total > 10
    assert agree / total > 0.8


def test_unique_splits_have_one_pair_a_prompt(pickapic: Path) -> None:
    pairs = _records(pickapic, "pickapic", "test_unique")
    assert len({pair.prompt for pair in pairs}) == len(pairs) > 0


def test_hpd_is_read_back_whole(tmp_path: Path) -> None:
    _build(Order("hpd", raters=6, labels=12, test_raters=10), tmp_path)
    train = json.loads((tmp_path / "hpd" / "train.json").read_text())
    test = json.loads((tmp_path / "hpd" / "test.json").read_text())
    report = _check(tmp_path, "hpd")
    assert len(train) == 6 * 2 * 6
    assert report.labels["pairs"] == len(train)
    assert report.labels["averaged rankings"] == len(test)
    assert report.labels["rankings"] == len(test) * 11
    assert not report.skipped and report.unreadable == 0
    assert Counter(len(entry["rank"]) for entry in test) == {9: 4, 10: 1}
    for ranking in _records(tmp_path, "hpd", "test"):
        assert isinstance(ranking, Ranking)
        assert sorted(ranking.ranks) == list(range(1, len(ranking.images) + 1))
    groups = Counter(pair.group for pair in _records(tmp_path, "hpd", "train"))
    assert set(groups.values()) == {6}


def test_too_few_images_for_hpd_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        _build(Order("hpd", raters=6, labels=12, images=20), tmp_path)


def test_sac_is_read_back_whole(tmp_path: Path) -> None:
    _build(Order("sac", raters=8, labels=10), tmp_path)
    database = sqlite3.connect(next((tmp_path / "sac").glob("*.sqlite")))
    total, rated = database.execute("SELECT COUNT(*), COUNT(rating) FROM ratings").fetchone()
    database.close()
    report = _check(tmp_path, "sac")
    assert total == (8 + 1 + 2) * 10
    assert report.labels == {"ratings": rated}
    assert report.skipped.get("no rating", 0) == total - rated
    assert report.unreadable == 0 and report.opened == report.images
    truth = _truth(tmp_path, "sac")
    for split in ("train", "validation", "test"):
        ratings = _records(tmp_path, "sac", split)
        assert {truth[rating.rater]["split"] for rating in ratings} == {split}
        assert all(isinstance(rating, Rating) and 0 <= rating.value <= 1 for rating in ratings)


def test_pasta_sessions_are_read_back_whole(tmp_path: Path) -> None:
    population = _build(Order("pasta", raters=6, test_raters=2), tmp_path)
    report = _check(tmp_path, "pasta")
    count = len(population.members)
    assert count == 6 + 1 + 2
    assert report.labels["sessions"] == report.labels["complete sessions"] == count
    assert report.labels["turns"] == report.labels["rated turns"] == 3 * count
    assert report.labels["comparisons of turns"] == 2 * count
    assert report.images == report.opened == count * (2 + 3 * 4 * 2)
    assert not report.skipped
    assert not any(note.startswith("not understood") for note in report.notes)
    lines = [json.loads(line) for line in (tmp_path / "pasta" / "sessions.jsonl").read_text().splitlines()]
    read = {session.id: session for session in _records(tmp_path, "pasta")}
    for line in lines:
        session = read[f"pasta:{line['session_id']}"]
        assert isinstance(session, SessionRecord)
        assert [turn.choice + 1 for turn in session.turns] == [turn["choice"] for turn in line["turns"]]
        assert len(session.initial_prompt.split()) <= 12
    splits = Counter(line["split"] for line in lines)
    assert splits == {"train": 6, "validation": 1, "test": 2}
    assert len(_records(tmp_path, "pasta", "test")) == 2


class _Interrupted(Exception):
    pass


class _StoppingPainter(BlockPainter):
    """Stops as a kill would, after so many pictures."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    async def paint(self, prompts, seeds, progress):  # type: ignore[no-untyped-def]
        async for painted in super().paint(prompts, seeds, progress):
            if self.painted > self._after:
                raise _Interrupted
            yield painted


@pytest.mark.parametrize("order", [Order("pickapic", 4, labels=8), Order("pasta", 3, test_raters=1)])
def test_a_stopped_run_ends_at_the_same_bytes(order: Order, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    straight = BlockPainter()
    _build(order, whole, straight)
    with pytest.raises(_Interrupted):
        _build(order, stopped, _StoppingPainter(straight.painted * 3 // 4))
    rest = BlockPainter()
    _build(order, stopped, rest)
    assert 0 < rest.painted < straight.painted
    assert _digest(stopped / order.format) == _digest(whole / order.format)


def test_a_larger_pool_begins_with_the_smaller_one(tmp_path: Path) -> None:
    painter = BlockPainter()
    small = PoolPlan("train", 3, 2, seed=5)
    report = lambda done, total: None  # noqa: E731
    first = asyncio.run(paint_pool(small, painter, tmp_path, report))
    both = asyncio.run(paint_pool(replace(small, prompts=5), painter, tmp_path, report))
    assert painter.painted == 10
    assert both.prompts[:3] == first.prompts
    assert np.array_equal(both.pixels[:3], first.pixels)


def test_a_panel_knows_what_a_rater_feels(tmp_path: Path) -> None:
    population = Population.sample("archetypes", 8, None, 0, ASSETS)
    plan = PoolPlan("test", 2, 3, seed=1)
    pool = asyncio.run(paint_pool(plan, BlockPainter(), tmp_path, lambda done, total: None))
    panel = Panel(pool, population.sheet, population.eyes)
    for member in population.of("train")[:3]:
        rater = population.rater(member)
        for prompt, text in enumerate(pool.prompts):
            direct = rater.image_utilities(text, pool.pixels[prompt])
            assert panel.utilities(rater, prompt) == pytest.approx(direct, abs=1e-5)


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    return Verdicts(PlantedRater.load("planted:sunny", ASSETS), seed=3)


def test_close_pictures_are_ties_and_far_ones_are_not(verdicts: Verdicts) -> None:
    close = [verdicts.prefer(1.0, 1.0 + TIE / 2) for _ in range(200)]
    far = [verdicts.prefer(5.0, 1.0) for _ in range(200)]
    assert close.count(0.5) > 180
    assert 0.5 not in far and np.mean(far) > 0.95


def test_ranks_and_ratings_follow_utility(verdicts: Verdicts) -> None:
    ranks = np.mean([verdicts.rank(np.array([0.0, 4.0, 2.0])) for _ in range(200)], axis=0)
    assert ranks[1] < ranks[2] < ranks[0]
    ratings = [[verdicts.rate(utility) for _ in range(100)] for utility in (-2.0, 1.0, 3.0, 8.0)]
    means = [np.mean(rates) for rates in ratings]
    assert means == sorted(means) and means[0] < 1.5 and means[-1] > 9.5
    assert all(1 <= rate <= 10 for rates in ratings for rate in rates)


def test_the_evaluation_answers_by_fixed_thresholds(verdicts: Verdicts) -> None:
    utilities = np.array([0.0, 9.0, 3.0, 1.0])
    rating = rate_turn(verdicts, utilities, 2.0, (0.1, 1.0, 0.5, 0.2))
    assert rating.column_scores == (1, 5, 3, 2)
    assert rating.score == 3
    assert rating.comparison in (Comparison.BETTER, Comparison.WORSE)
    assert rate_turn(verdicts, utilities, None, (0.1, 1.0, 0.5, 0.2)).comparison is None
    same = rate_turn(verdicts, np.full(4, 2.0), 2.1, (0.1, 1.0, 0.5, 0.2))
    assert same.comparison is Comparison.SAME


def test_populations() -> None:
    unseen = Population.sample("unseen", 4, None, 0, ASSETS)
    assert {member.archetype for member in unseen.members} == {"minimalist", "dramatist"}
    continuous = Population.sample("continuous", 4, None, 0, ASSETS)
    assert all(sum(member.weights or ()) == pytest.approx(1) for member in continuous.members)
    one, other = (continuous.rater(member) for member in continuous.of("train")[:2])
    assert one.archetype.attributes != other.archetype.attributes
    with pytest.raises(InvalidInput):
        Population.sample("everybody", 4, None, 0, ASSETS)


@pytest.mark.parametrize(
    ("name", "value"), [("format", "csv"), ("raters", 0), ("labels", 0), ("population", "all")]
)
def test_a_wrong_order_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        Order(**{"format": "hpd", "raters": 2, "labels": 3, name: value})
