"""Pictures and text in cells, terminals of all kinds, and what a person may type."""

from __future__ import annotations

import io

import numpy as np
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.errors import InvalidInput
from pasta_tui.plain.person import Typed, parse_answer
from pasta_tui.terminal.blocks import contact_sheet, encode, mosaic, sheet_shape
from pasta_tui.terminal.capabilities import Colours, Terminal, detect
from pasta_tui.terminal.text import beside, cell_width, clipped, wrap

RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 180, 0), (0, 0, 220), (255, 255, 255)


def flat(colour: tuple[int, int, int], side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def screen(lines: list[str], width: int) -> pyte.Screen:
    drawn = pyte.Screen(width, len(lines) + 1)
    pyte.Stream(drawn).feed("\r\n".join(lines))
    return drawn


def test_half_blocks_put_every_image_of_a_sheet_in_its_place() -> None:
    sheet = contact_sheet([flat(RED), flat(GREEN), flat(BLUE), flat(WHITE)], 19)
    lines = encode(sheet, Terminal(colours=Colours.TRUE))
    assert [cell_width(line) for line in lines] == [19] * 10
    drawn = screen(lines, 19)
    cells = {place: drawn.buffer[place[1]][place[0]] for place in ((0, 0), (18, 0), (0, 8), (18, 8))}
    assert [cell.fg for cell in cells.values()] == ["c80000", "00b400", "0000dc", "ffffff"]
    assert drawn.buffer[0][9].data == " "
    assert drawn.buffer[0][9].bg == "default"


def test_a_half_block_is_the_upper_pixel_over_the_lower() -> None:
    image = np.concatenate([flat(RED, 4)[:2], flat(BLUE, 4)[:2]])
    cell = screen(encode(contact_sheet([image], 2), Terminal(colours=Colours.TRUE)), 2).buffer[0][0]
    assert (cell.data, cell.fg, cell.bg) == ("▀", "c80000", "0000dc")


@pytest.mark.parametrize(
    ("rows", "block"),
    [
        ("rr/bb", "▀"),
        ("rb/rb", "▌"),
        ("rb/bb", "▘"),
        ("br/bb", "▝"),
        ("bb/rb", "▖"),
        ("bb/br", "▗"),
        ("rb/br", "▚"),
    ],
)
def test_the_block_that_fits_is_taken_where_the_font_has_it(rows: str, block: str) -> None:
    names = {"r": RED, "b": BLUE}
    image = np.array([[names[pixel] for pixel in row] for row in rows.split("/")], np.uint8)
    sheet = np.dstack([image, np.full((2, 2), 255, np.uint8)])
    assert block in encode(sheet, Terminal(colours=Colours.TRUE))[0]
    assert "▀" in encode(sheet, Terminal(colours=Colours.TRUE, quadrants=False))[0]


@pytest.mark.parametrize(
    ("colour", "index"), [((255, 0, 0), 196), ((128, 128, 128), 244), ((95, 135, 215), 68), ((0, 0, 0), 16)]
)
def test_256_colours_take_the_nearest_of_the_palette(colour: tuple[int, int, int], index: int) -> None:
    line = encode(contact_sheet([flat(colour)], 1), Terminal(colours=Colours.INDEXED))[0]
    assert f"38;5;{index}m" in line


def test_two_shades_beside_a_border_of_the_palette_become_no_chequerboard() -> None:
    shades = np.array([[(114, 0, 0), (116, 0, 0)], [(116, 0, 0), (114, 0, 0)]], np.uint8)
    (line,) = mosaic(np.tile(shades, (1, 4, 1)), 4, 1, Terminal(colours=Colours.INDEXED))
    assert line.fore is not None
    assert line.back is not None
    assert np.array_equal(line.fore, line.back)
    assert {tuple(colour) for colour in line.fore.tolist()} <= {(95, 0, 0), (135, 0, 0)}


def test_without_colour_there_is_no_escape_code_and_bright_is_denser() -> None:
    for unicode, dark, bright in ((True, " ", "█"), (False, " ", "@")):
        lines = encode(contact_sheet([flat((0, 0, 0)), flat(WHITE)], 5, 2), Terminal(unicode=unicode))
        assert lines[0][0] == dark
        assert lines[0][4] == bright
        assert "\x1b" not in "".join(lines)


@given(st.integers(1, 16), st.integers(8, 80))
def test_sheets_are_never_wider_than_asked(count: int, width: int) -> None:
    rows, columns = sheet_shape(count)
    assert rows * columns >= count
    sheet = contact_sheet([flat(RED, 8)] * count, width)
    assert sheet.shape[1] <= 2 * width


@given(st.text(), st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


@given(st.text(), st.integers(1, 40))
def test_clipped_text_fits(text: str, width: int) -> None:
    assert cell_width(clipped(text, width)) <= width


def test_blocks_side_by_side_keep_their_columns() -> None:
    assert beside([["ab", "c"], ["xyz"]], 3) == ["ab  xyz", "c"]
    assert beside([["日本"], ["x"]], 5) == ["日本  x"]


class Screenish(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Colours.TRUE),
        ({"TERM": "xterm-kitty"}, Colours.TRUE),
        ({"TERM": "screen-256color"}, Colours.INDEXED),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Colours.NONE),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Colours.NONE),
        ({}, Colours.NONE),
    ],
)
def test_colours_follow_the_environment(env: dict[str, str], colours: Colours) -> None:
    assert detect(Screenish(), env).colours is colours
    assert detect(io.StringIO(), env).colours is Colours.NONE


def test_the_size_comes_from_the_environment_where_no_terminal_tells_it() -> None:
    assert (detect(io.StringIO(), {}).width, detect(io.StringIO(), {"COLUMNS": "132"}).width) == (80, 132)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("2", Typed("choose", 1)),
        (" 4 more snow ", Typed("choose", 3, "more snow")),
        ("c", Typed("critique")),
        ("C make it night", Typed("critique", text="make it night")),
        ("s", Typed("save")),
        ("s 3", Typed("save", 2)),
        ("w", Typed("why")),
        ("Belief", Typed("belief")),
        ("q", Typed("quit")),
        ("0", Typed("none")),
        ("none make it night", Typed("none", text="make it night")),
        ("a", Typed("others")),
        ("a 2 17", Typed("swap", 1, candidate=16)),
        ("swap 4  3", Typed("swap", 3, candidate=2)),
    ],
)
def test_what_can_be_typed(line: str, answer: Typed) -> None:
    assert parse_answer(line, 4) == answer


@pytest.mark.parametrize("line", ["a 2", "swap", "a 2 x", "a 2 -1", "a two 3", "a 9 1"])
def test_a_swap_names_a_column_and_a_prompt(line: str) -> None:
    with pytest.raises(InvalidInput, match=r"a swap names|1 to 4"):
        parse_answer(line, 4)


@pytest.mark.parametrize("line", ["", "00", "5", "-1", "two", "s 9", "²", "1.5"])
def test_anything_else_is_refused_with_what_to_type(line: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 4"):
        parse_answer(line, 4)
