"""Labels gathered from several sources: what each of them counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from pasta_core.data.images import AbsentImage, ImageReference
from pasta_core.data.records import Pair
from pasta_core.training.embedded_labels import ArrayTable, EmbeddedLabels, LabelCollector, Rows

TABLE = ArrayTable(np.zeros((4, 2), np.float32))


def _pairs(kind: str, weights: Sequence[float]) -> Iterator[Pair]:
    for number, weight in enumerate(weights):
        images = (AbsentImage(f"{kind}{number}a"), AbsentImage(f"{kind}{number}b"))
        yield Pair("a cat", images, 1.0, kind, kind, weight)


def _gathered(*sources: tuple[str, Sequence[float], float]) -> EmbeddedLabels:
    collector = LabelCollector(TABLE, TABLE)

    def image_rows(references: Sequence[ImageReference]) -> Rows:
        return np.array([-1 if "lost" in reference.name else 0 for reference in references], np.int64)

    def text_rows(texts: Sequence[str]) -> Rows:
        return np.zeros(len(texts), np.int64)

    for kind, weights, weight in sources:
        collector.add(_pairs(kind, weights), image_rows, text_rows, weight)
    return collector.finish()


def test_each_source_counts_by_its_labels() -> None:
    labels = _gathered(("pick", [0.1, 0.1, 0.4], 1.0), ("hpd", [1.0] * 5000, 2.0), ("lost", [9.0], 1.0))
    assert sorted(np.diff(labels.starts).tolist()) == [3, 5000]
    pick = slice(*labels.starts[:2]) if labels.starts[1] == 3 else slice(*labels.starts[1:])
    assert sorted(labels.mass[pick].tolist()) == pytest.approx([0.5, 0.5, 2.0])
    assert np.array_equal(labels.weight[pick], labels.mass[pick])
    others = np.delete(np.arange(len(labels)), np.arange(len(labels))[pick])
    assert np.allclose(labels.mass[others], 1) and np.allclose(labels.weight[others], 2)
