"""From records and stored embeddings to every metric, with a model that is known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.embeddings import EmbeddingStore, text_hash
from pasta_core.data.embeddings_shards import Header
from pasta_core.data.embeddings_writer import writing
from pasta_core.data.images import AbsentImage, ImageReference
from pasta_core.data.records import Kind, Pair, Ranking, Rating, Record, SessionRecord, SessionTurn
from pasta_core.data.sources import open_source, parse_source
from pasta_core.domain import Comparison, TurnRating
from pasta_core.evaluation.labels import LabelRows, Tables, score_uses
from pasta_core.evaluation.user_model import METRICS, LabelSets, evaluate_user_model
from pasta_tui.cli._evaluation import _splits
from tests.support.data_sets import comparison, write_pickapic

D = 4
ENCODER = "ef" * 32
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(120, D)).astype(np.float32)
PROMPTS = ["a cat", "a dog", "a boat"]


class Tastes:
    """Types with linear tastes over the embedding; choices are a softmax of the best image's score."""

    def __init__(self, tastes: np.ndarray, prior: Sequence[float]) -> None:
        self.tastes = tastes
        self.prior = np.asarray(prior, np.float64)
        self.largest = 0

    def scores(
        self, images: object, texts: object, image_rows: np.ndarray, text_rows: np.ndarray
    ) -> np.ndarray:
        assert np.asarray(texts)[text_rows].shape[1] == D
        self.largest = max(self.largest, len(np.asarray(images)))
        return np.asarray(images, np.float64)[image_rows] @ self.tastes.T

    def utilities(self, scores: np.ndarray) -> np.ndarray:
        return scores.max(-1)

    def log_choices(self, utilities: np.ndarray) -> np.ndarray:
        return utilities - np.logaddexp.reduce(utilities, axis=-1, keepdims=True)


OPPOSITES = np.array([[4.0, 0, 0, 0], [-4.0, 0, 0, 0]])


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    with writing(tmp_path, Header(ENCODER, "image", D, "float32", 16)) as writer:
        writer.add([text_hash(f"image {number}") for number in range(len(IMAGES))], IMAGES)
    with writing(tmp_path, Header(ENCODER, "text", D, "float32", 16)) as writer:
        writer.add([text_hash(prompt) for prompt in PROMPTS], np.eye(3, D, dtype=np.float32))
    store = EmbeddingStore(tmp_path, ENCODER, "float32")
    return Tables(store.images, store.texts)


def image(number: int) -> ImageReference:
    return AbsentImage(f"image {number}", known_sha256=text_hash(f"image {number}"))


def gathered(tables: Tables, kind: Kind, records: Sequence[Record]) -> LabelRows:
    return added(LabelRows(), tables, kind, records)


def added(labels: LabelRows, tables: Tables, kind: Kind, records: Sequence[Record]) -> LabelRows:

    def image_rows(references: Sequence[ImageReference]) -> np.ndarray:
        return tables.images.find([reference.known_sha256 or "" for reference in references])

    def text_rows(texts: Sequence[str]) -> np.ndarray:
        return tables.texts.find([text_hash(text) for text in texts])

    labels.add(kind, records, image_rows, text_rows)
    return labels


def pairs(rater: str, sign: int, count: int, prompts: int = 1) -> list[Pair]:
    """A rater's pairs, newest first, labelled by the sign of the first coordinate's difference."""
    made = []
    for order in range(count):
        first, second = RNG.choice(len(IMAGES), 2, replace=False).tolist()
        won = sign * (IMAGES[first, 0] - IMAGES[second, 0]) > 0
        prompt = PROMPTS[order % prompts]
        made.append(Pair(prompt, (image(first), image(second)), float(won), rater, rater, order=order))
    return made[::-1]


def ranking(item: int, rater: str | None, sign: int, count: int = 9) -> Ranking:
    chosen = np.random.default_rng(item).choice(len(IMAGES), count, replace=False)
    ranks = (-sign * IMAGES[chosen, 0]).argsort().argsort() + 1.0
    return Ranking(
        PROMPTS[0],
        tuple(image(int(number)) for number in chosen),
        tuple(ranks.tolist()),
        rater,
        rater or f"item {item}",
        f"item {item}",
        averaged=rater is None,
    )


def session(rater: str, sign: int, number: int) -> SessionRecord:
    rng = np.random.default_rng(number)
    turns, before = [], None
    for turn in range(1, 6):
        columns = rng.choice(len(IMAGES), (4, 2), replace=False)
        utilities = (sign * IMAGES[columns, 0]).max(1)
        choice = int(utilities.argmax())
        said = None
        if before is not None:
            said = Comparison.BETTER if utilities[choice] > before else Comparison.WORSE
        before = float(utilities[choice])
        shown = tuple(tuple(image(int(one)) for one in column) for column in columns)
        rating = TurnRating(choice, (3, 3, 3, 3), 3, said)
        turns.append(SessionTurn(turn, shown, choice, rating=rating))
    return SessionRecord(f"{rater} {number}", PROMPTS[1], tuple(turns), rater, rater)


def test_two_types_foresee_opposite_raters_that_one_type_cannot(tables: Tables) -> None:
    records = [pair for rater in range(20) for pair in pairs(f"r{rater}", 1 - 2 * (rater % 2), 24)]
    labels = LabelSets(gathered(tables, Kind.PICKAPIC, records))
    two = evaluate_user_model(labels, tables, Tastes(OPPOSITES, [0.5, 0.5])).metrics["pickapic_accuracy"]
    one = evaluate_user_model(labels, tables, Tastes(OPPOSITES[:1], [1.0])).metrics["pickapic_accuracy"]
    assert two.n == one.n == 20 * 12
    assert two.chance == 0.5
    assert two.value == 1
    assert one.ci95 is not None
    assert one.ci95[0] < 0.5 < one.ci95[1]


def test_a_series_by_prompt_knows_less_of_its_rater(tables: Tables) -> None:
    records = [pair for rater in range(12) for pair in pairs(f"r{rater}", 1 - 2 * (rater % 2), 6, prompts=3)]
    labels = gathered(tables, Kind.PICKAPIC, records)
    scores = score_uses(list(labels.uses), tables, Tastes(OPPOSITES, [0.5, 0.5]))
    assert [len(one.labels) for one in labels.series(scores)] == [6] * 12
    assert [len(one.labels) for one in labels.series(scores, by_prompt=True)] == [2] * 36
    evaluation = evaluate_user_model(LabelSets(labels), tables, Tastes(OPPOSITES, [0.5, 0.5]))
    assert evaluation.variants["pickapic_accuracy_by_prompt"].n == 36
    assert evaluation.metrics["pickapic_accuracy"].n == 36


def test_labels_of_a_rater_are_in_the_order_of_time(tables: Tables) -> None:
    labels = gathered(tables, Kind.PICKAPIC, pairs("r", 1, 9))
    scores = score_uses(list(labels.uses), tables, Tastes(OPPOSITES[:1], [1.0]))
    (series,) = labels.series(scores)
    expected = [pair.label for pair in sorted(labels.pairs, key=lambda pair: pair.order)]
    assert series.labels.tolist() == expected
    assert ((series.differences[:, 0] > 0) == (series.labels > 0.5)).all()


def test_rankings_of_annotators_and_their_average(tables: Tables) -> None:
    records: list[Record] = []
    for item in range(12):
        records.append(ranking(item, None, 1))
        records += [ranking(item, f"a{number}", 1 - 2 * (number % 2)) for number in range(4)]
    labels = LabelSets(gathered(tables, Kind.HPD, records))
    strong = Tastes(10 * OPPOSITES, [0.5, 0.5])
    evaluation = evaluate_user_model(labels, tables, strong)
    assert evaluation.metrics["hpd_spearman"].n == 48
    assert evaluation.metrics["hpd_spearman"].value == pytest.approx(1, abs=0.02)
    assert evaluation.variants["hpd_spearman_averaged"].n == 12
    # Without a rater the two types cancel out: every score is equal, which is chance.
    assert evaluation.metrics["hpd_accuracy"].value == evaluation.metrics["hpd_accuracy"].chance == 0.5
    known = evaluate_user_model(labels, tables, Tastes(OPPOSITES, [1.0, 0.0]))
    assert known.metrics["hpd_accuracy"].value == 1
    assert known.variants["imagereward_accuracy"].n == 0


def test_sessions_are_foreseen_better_the_longer_a_rater_is_known(tables: Tables) -> None:
    records = [
        session(f"r{rater}", 1 - 2 * (rater % 2), number) for number in range(3) for rater in range(10)
    ]
    labels = LabelSets(gathered(tables, Kind.PASTA, records))
    two = evaluate_user_model(labels, tables, Tastes(OPPOSITES, [0.5, 0.5])).metrics
    one = evaluate_user_model(labels, tables, Tastes(OPPOSITES[:1], [1.0])).metrics
    assert two["choice_accuracy"].n == 150
    assert two["choice_accuracy"].chance == 0.25
    assert two["choice_accuracy"].value is not None
    assert two["choice_accuracy"].value > 0.93
    assert two["choice_nll"].value is not None
    assert one["choice_nll"].value is not None
    assert two["choice_nll"].value < np.log(4) < one["choice_nll"].value
    assert two["cross_turn_accuracy"].n == 120
    assert two["cross_turn_accuracy"].value == 1


def test_what_was_not_embedded_is_left_out_and_counted(tables: Tables) -> None:
    lost = AbsentImage("lost", known_sha256=text_hash("lost"))
    pair, turns = pairs("r", 1, 1)[0], session("r", 1, 0).turns
    records: list[Record] = [
        pair,
        Pair("a cat", (pair.images[0], lost), 1.0, "r", "r"),
        Pair("never embedded", pair.images, 1.0, "r", "r"),
        Rating("a cat", lost, 0.5, "r", "r"),
        SessionRecord("s", "a dog", (turns[0], SessionTurn(2, ((lost,), (lost,)), 0), turns[2]), "r", "r"),
    ]
    labels = gathered(tables, Kind.PICKAPIC, records)
    assert labels.left_out == 3
    assert len(labels.pairs) == 1
    assert [turn.number for turn in labels.sessions[0].turns] == [1, 3]


def test_pickscores_metric_takes_one_pair_a_prompt(tables: Tables) -> None:
    test = gathered(tables, Kind.PICKAPIC, [p for rater in range(8) for p in pairs(f"r{rater}", 1, 5)])
    validation = gathered(tables, Kind.PICKAPIC, [p for rater in range(9) for p in pairs(f"v{rater}", 1, 2)])
    model = Tastes(OPPOSITES[:1], [1.0])
    evaluation = evaluate_user_model(LabelSets(test, validation=validation), tables, model)
    assert evaluation.variants["pickscore_accuracy"].n == 8
    assert evaluation.variants["pickscore_accuracy"].value == 1
    unmeasured = evaluate_user_model(LabelSets(test), tables, model).variants["pickscore_accuracy"]
    assert unmeasured.n == 0


def test_every_key_is_there_whatever_the_data_holds(tables: Tables) -> None:
    evaluation = evaluate_user_model(LabelSets(), tables, Tastes(OPPOSITES, [0.5, 0.5]))
    assert tuple(evaluation.metrics) == METRICS
    assert {metric.n for metric in (*evaluation.metrics.values(), *evaluation.variants.values())} == {0}


def test_scores_are_taken_in_parts(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = gathered(tables, Kind.PICKAPIC, pairs("r", 1, 40))
    whole = score_uses(list(labels.uses), tables, Tastes(OPPOSITES, [0.5, 0.5]))
    monkeypatch.setattr("pasta_core.evaluation.labels._USES_AT_ONCE", 7)
    model = Tastes(OPPOSITES, [0.5, 0.5])
    assert np.allclose(score_uses(list(labels.uses), tables, model), whole)
    assert model.largest <= 7


def test_permuting_the_types_changes_nothing(tables: Tables) -> None:
    records: list[Record] = [*pairs("r", 1, 12), *pairs("s", -1, 12)]
    labels = LabelSets(gathered(tables, Kind.PICKAPIC, records))
    tastes = RNG.normal(size=(3, D))
    there = evaluate_user_model(labels, tables, Tastes(tastes, [0.2, 0.3, 0.5]))
    back = evaluate_user_model(labels, tables, Tastes(tastes[::-1], [0.5, 0.3, 0.2]))
    assert there.metrics["pickapic_accuracy"] == back.metrics["pickapic_accuracy"]


def test_raters_keep_their_names_unless_two_sources_share_them(tables: Tables) -> None:
    labels = gathered(tables, Kind.HPD, [ranking(0, "hpd:u", 1)])
    for _ in range(2):
        added(labels, tables, Kind.PICKAPIC, pairs("pickapic:7", 1, 4))
    added(labels, tables, Kind.SESSIONS, [session("hpd:u", 1, 0)])
    found = {one.rater for one in labels.series(np.zeros((len(labels.uses), 2)))}
    assert found == {"pickapic:7", "pickapic:7 of source 3"}
    assert [one.group for one in labels.sessions] == ["hpd:u of source 4"]


def test_no_threshold_is_tuned_on_the_pairs_that_are_measured(tmp_path: Path) -> None:
    names = ("train", "validation", "validation_unique", "test", "test_unique")
    for name in names:
        write_pickapic(tmp_path / f"{name}-0.parquet", [comparison(0)])
    source = open_source(parse_source(f"pickapic:{tmp_path}"))
    assert list(_splits(source, "test")) == [
        ("test", "test"),
        ("test_unique", "unique"),
        ("validation_unique", "validation"),
    ]
    assert list(_splits(source, "validation")) == [("validation", "test"), ("validation_unique", "unique")]
