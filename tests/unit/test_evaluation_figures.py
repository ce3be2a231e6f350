"""Figures: curves as text and as files, and contact sheets of what types like."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pasta_core.data.images import AbsentImage, PixelImage
from pasta_core.data.records import Kind
from pasta_core.errors import InvalidInput, PastaError
from pasta_core.evaluation.labels import LabelRows, RowRanking
from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.plots import Panel, require_matplotlib, save_panels
from pasta_core.evaluation.text_plot import text_plot
from pasta_core.evaluation.top_images import best_images, sheet_of, write_sheets


def test_a_text_plot_puts_points_in_their_rows() -> None:
    lines = text_plot(["1", "2"], [0.5, 0.9], [(0.5, 0.5), (0.7, 1.0)], level=0.5, height=6)
    assert lines == [
        "1.000 ┤     │",
        "      ┤     ●",
        "      ┤     │",
        "0.700 ┤     │",
        "      ┤",
        "      ┤┈●┈┈┈┈┈┈",
        "      └────────",
        "        1   2",
    ]
    assert all(line.isascii() for line in text_plot(["a"], [1.0], [(0, 2)], 0.0, unicode=False))


def test_a_flat_curve_is_drawn_too() -> None:
    lines = text_plot(["1", "2", "4"], [0.5] * 3, [(0.5, 0.5)] * 3, level=0.5, height=4)
    assert sum(line.count("●") for line in lines) == 3
    assert len(lines) == 6


def panel() -> Panel:
    metrics = (Metric(0.5, (0.4, 0.6), 0.5, 9), NOTHING, Metric(0.7, (0.65, 0.75), 0.5, 9))
    return Panel("accuracy", "user types", ("1", "2", "4"), metrics)


def test_the_same_numbers_give_the_same_figures(tmp_path: Path) -> None:
    first = save_panels([panel(), panel()], tmp_path / "a", "curve")
    second = save_panels([panel(), panel()], tmp_path / "b", "curve")
    assert [path.name for path in first] == ["curve.png", "curve.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    with Image.open(first[0]) as picture:
        assert picture.width > picture.height > 100
    assert "accuracy" in first[1].read_text()


def test_without_panels_nothing_is_drawn(tmp_path: Path) -> None:
    assert save_panels([], tmp_path / "none", "curve") == []
    assert not (tmp_path / "none").exists()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PastaError) as caught:
        require_matplotlib()
    assert "pasta-t2i[train]" in caught.value.hint


def pictures(count: int) -> list[PixelImage]:
    return [
        PixelImage(f"{number}", pixels=np.full((4, 8, 3), 10 * number, np.uint8)) for number in range(count)
    ]


def ranked(uses: dict[tuple[int, int], int], references: dict[int, object]) -> LabelRows:
    labels = LabelRows(uses=uses, references=references)  # type: ignore[arg-type]
    labels.rankings.append(
        RowRanking(Kind.HPD, "i", None, True, tuple(uses.values()), tuple(range(1, len(uses) + 1)))
    )
    return labels


def test_every_type_shows_what_it_likes_best_and_each_picture_once(tmp_path: Path) -> None:
    shown = pictures(4)
    # Picture 2 is scored for two prompts: it counts once, at its best.
    uses = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (3, 0): 3, (2, 1): 4}
    labels = ranked(uses, dict(enumerate(shown)))
    scores = np.array([[0.1, 9], [0.2, 8], [0.9, 1], [0.4, 7], [0.8, 2]])
    best = best_images(labels, scores, count=3)
    assert [[image.name for image in row] for row in best] == [["2", "3", "1"], ["0", "1", "3"]]
    paths = write_sheets(best, tmp_path / "sheets", side=16)
    assert [path.name for path in paths] == ["type-1.png", "type-2.png", "types.png"]
    with Image.open(paths[-1]) as sheet:
        assert sheet.size == (3 * 20 + 4, 2 * 20 + 4)
        # The second type's first picture is black, 8 pixels high in its square of 16.
        assert sheet.getpixel((12, 24 + 8)) == (0, 0, 0)
        assert sheet.getpixel((12, 24 + 2)) == (255, 255, 255)


def test_a_picture_that_is_gone_is_left_blank(tmp_path: Path) -> None:
    (path, _) = write_sheets([[AbsentImage("gone"), *pictures(1)]], tmp_path, side=8)
    with Image.open(path) as sheet:
        assert sheet.getpixel((8, 8)) == (255, 255, 255)
        assert sheet.getpixel((20, 8)) == (0, 0, 0)


def test_without_rankings_there_is_nothing_to_show() -> None:
    with pytest.raises(InvalidInput, match="ranked"):
        best_images(LabelRows(references={}), np.zeros((0, 2)))


def test_sheets_fit_pictures_of_any_size() -> None:
    rows = [[np.zeros((100, 3, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]]
    assert sheet_of(rows, 10).shape == (18, 32, 3)
