"""Contact sheets: what is painted where, what is said below it, and what a blind one keeps to itself."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from pasta_core.domain import Candidate, Choice, Image, Slate
from pasta_core.errors import StorageError
from pasta_core.sessions.images import read_png
from pasta_core.sessions.sheet import SheetTurn, contact_sheet, sheet_turn, write_sheet

COLOURS = ((200, 0, 0), (0, 180, 0), (0, 0, 220), (230, 200, 0))
MARK = (0, 110, 90)
LONG = " ".join(["a watercolour of a red train [in the snow]"] * 8)


def flat(colour: tuple[int, int, int], side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def turn(number: int = 1, chosen: int | None = None, prompt: str = "a train", images: int = 4) -> SheetTurn:
    columns = tuple(tuple(flat(colour) for _ in range(images)) for colour in COLOURS)
    return SheetTurn(number, columns, (prompt,) * len(COLOURS), chosen)


def where(sheet: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) of all pixels of a colour."""
    ys, xs = np.nonzero((sheet == colour).all(axis=-1))
    return ys.min(), ys.max(), xs.min(), xs.max()


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(axis=-1).sum())


def test_columns_stand_side_by_side_in_shown_order_with_all_their_images() -> None:
    sheet = contact_sheet([turn()])
    boxes = [where(sheet, colour) for colour in COLOURS]
    assert [box[2] for box in boxes] == sorted(box[2] for box in boxes)
    assert all(before[3] < after[2] for before, after in pairwise(boxes))
    assert {box[:2] for box in boxes} == {boxes[0][:2]}
    assert [count(sheet, colour) for colour in COLOURS] == [4 * 128 * 128] * 4, "twice their own pixels"


def test_every_turn_has_its_row_and_only_the_chosen_column_is_marked() -> None:
    plain = contact_sheet([turn(1), turn(2)])
    marked = contact_sheet([turn(1, chosen=2), turn(2)])
    assert marked.shape == plain.shape
    assert count(plain, MARK) == 0
    top, _, left, right = where(marked, MARK)
    blue = where(marked, COLOURS[2])
    assert left < blue[2] and right > blue[3]
    assert left > where(marked, COLOURS[1])[3] and right < where(marked, COLOURS[3])[2]
    rows = np.nonzero((marked == MARK).all(axis=-1))[0]
    assert top < blue[0] and rows.max() < marked.shape[0] / 2, "the second turn is not marked"


def test_long_prompts_wrap_inside_their_column_and_long_words_are_cut() -> None:
    short, long = contact_sheet([turn()]), contact_sheet([turn(prompt=LONG)])
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 100
    word = contact_sheet([turn(prompt="x" * 300)])
    assert word.shape[1] == short.shape[1]
    below = word[where(word, COLOURS[0])[1] + 8 :]
    gap = slice(where(word, COLOURS[0])[3] + 8, where(word, COLOURS[1])[2] - 8)
    assert (below[:, gap] == word[0, 0]).all(), "no text between the columns"


def test_a_blind_sheet_tells_nothing_of_its_prompts() -> None:
    one, other = (contact_sheet([turn(prompt=text)], blind=True) for text in ("a train", LONG))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, contact_sheet([turn()]))


def test_markup_and_escape_codes_in_prompts_are_only_text() -> None:
    plain = contact_sheet([turn(prompt="[red] train")])
    assert np.array_equal(contact_sheet([turn(prompt="[red] \x1b[31mtrain\x1b[0m\x07")]), plain)


def test_the_initial_images_are_one_row_and_never_marked() -> None:
    start = SheetTurn(0, (tuple(flat(COLOURS[0]) for _ in range(4)),), ("a train",), 0)
    sheet = contact_sheet([start])
    top, bottom, left, right = where(sheet, COLOURS[0])
    assert bottom - top + 1 == 128
    assert right - left + 1 > 4 * 128
    assert count(sheet, MARK) == 0


def test_lost_images_leave_their_place_empty() -> None:
    columns = ((flat(COLOURS[0]), None), (None, None))
    sheet = contact_sheet([SheetTurn(1, columns, ("a", "b"))])
    assert count(sheet, COLOURS[0]) > 0
    assert sheet.shape == contact_sheet([SheetTurn(1, ((columns[0][0],) * 2,) * 2, ("a", "b"))]).shape


def test_large_images_shrink_and_keep_their_shape() -> None:
    wide = np.concatenate([flat(COLOURS[0], 1024), flat(COLOURS[0], 1024)], axis=1)
    sheet = contact_sheet([SheetTurn(1, ((wide,),), ("a",))])
    top, bottom, left, right = where(sheet, COLOURS[0])
    assert (right - left + 1) / (bottom - top + 1) == pytest.approx(2, abs=0.05)
    assert right - left + 1 == 256


def test_a_huge_session_stays_a_picture_that_can_be_opened() -> None:
    one = flat(COLOURS[0], 256)
    columns = tuple((one,) * 16 for _ in range(9))
    sheet = contact_sheet([SheetTurn(number, columns, ("a",) * 9) for number in range(1, 21)])
    assert sheet.shape[0] * sheet.shape[1] < 60_000_000


def test_a_session_without_a_painted_turn_is_an_empty_sheet() -> None:
    assert contact_sheet([], title="a train").size > 0
    assert contact_sheet([]).size > 0


def test_a_painted_turn_becomes_a_row() -> None:
    images = ((Image(1, flat(COLOURS[0])),), (Image(2, flat(COLOURS[1])),))
    candidates = (Candidate("a", "x"), Candidate("b", "y"), Candidate("c", "z"))
    row = sheet_turn(3, candidates, Slate((2, 0)), images, Choice(1))
    assert (row.number, row.prompts, row.chosen) == (3, ("c", "a"), 1)
    assert np.array_equal(row.columns[1][0], images[1][0].pixels)


def test_a_sheet_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_sheet(path, [turn(chosen=1)], title="a train")
    with Pillow.open(BytesIO(path.read_bytes())) as png:
        assert (png.format, png.mode) == ("PNG", "RGB")
    assert np.array_equal(read_png(path.read_bytes()), contact_sheet([turn(chosen=1)], title="a train"))
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StorageError):
        write_sheet(tmp_path / "none" / "sheet.png", [turn()])
