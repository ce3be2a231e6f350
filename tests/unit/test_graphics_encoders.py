"""Sixel and kitty codes, read back as a terminal reads them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pasta_tui.terminal import kitty
from pasta_tui.terminal.blocks import mosaic
from pasta_tui.terminal.capabilities import Colours, Terminal
from pasta_tui.terminal.sixel import LONGEST_SIDE, encode_sixel
from tests.support.graphic_terminal import GraphicTerminal

Pixels = npt.NDArray[np.uint8]
TOKEN = re.compile(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([$-])|([?-~])")


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def smooth(height: int, width: int) -> Pixels:
    small = Image.fromarray(noise(4, 4, 1))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def decoded(code: str) -> Pixels:
    """Draw a Sixel as its definition says; every pixel must be drawn exactly once."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', code)
    assert head and code.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    drawn = np.full((height, width, 3), -1)
    palette: dict[int, tuple[int, ...]] = {}
    body = code[head.end() : -2]
    x = y = colour = place = 0
    for token in TOKEN.finditer(body):
        assert token.start() == place, body[place : token.end()]
        place = token.end()
        number, red, green, blue, times, repeated, move, single = token.groups()
        if number and red:
            palette[int(number)] = tuple(round(int(part) * 2.55) for part in (red, green, blue))
        elif number:
            colour = int(number)
        elif move:
            x, y = 0, y + 6 * (move == "-")
        else:
            bits, length = ord(repeated or single) - 63, int(times or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    assert (drawn[y + bit, x : x + length] == -1).all()
                    drawn[y + bit, x : x + length] = palette[colour]
            x += length
            assert x <= width
    assert place == len(body)
    assert len(palette) <= 255
    assert (drawn >= 0).all()
    return drawn.astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(6, 6), (1, 6), (240, 240), (333, 97), (LONGEST_SIDE, 12)])
def test_a_sixel_is_the_picture_in_a_few_colours(width: int, height: int) -> None:
    pixels = smooth(64, 64)
    shown = decoded(encode_sixel(pixels, width, height))
    assert shown.shape == (height - height % 6, width, 3)
    expected = np.asarray(Image.fromarray(pixels).resize((width, shown.shape[0])))
    assert np.abs(shown.astype(int) - expected).mean() < 8


def test_a_picture_of_few_colours_is_kept_to_the_percent() -> None:
    pixels = np.zeros((12, 12, 3), np.uint8)
    pixels[:, 4:] = (255, 0, 0)
    pixels[6:, 8:] = (0, 128, 255)
    assert np.abs(decoded(encode_sixel(pixels, 12, 12)).astype(int) - pixels).max() <= 2


def test_the_worst_picture_is_still_whole() -> None:
    decoded(encode_sixel(noise(120, 120), 120, 120))


def test_a_sixel_says_little_about_little() -> None:
    plain = np.full((600, 600, 3), 90, np.uint8)
    assert len(encode_sixel(plain, 600, 600)) < 1500


@pytest.mark.parametrize("size", [(0, 10), (10, LONGEST_SIDE + 1)])
def test_a_size_that_terminals_refuse_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError):
        encode_sixel(noise(8, 8), *size)


def test_the_numbers_of_placeholders_follow_the_protocol() -> None:
    marks = kitty._NUMBERS
    assert kitty.LARGEST == len(set(marks)) == 297
    assert [f"{ord(mark):04X}" for mark in marks[:5]] == ["0305", "030D", "030E", "0310", "0312"]
    assert f"{ord(marks[-1]):X}" == "1D244"
    assert all(unicodedata.combining(mark) == 230 for mark in marks)
    assert all(unicodedata.normalize("NFC", "a" + mark) == "a" + mark for mark in marks)


def test_placeholders_name_row_column_and_picture() -> None:
    image = kitty.number(255 * 3 + 41)
    assert image == (3 << 24) + 42
    row, third, high = kitty._NUMBERS[1], kitty._NUMBERS[2], kitty._NUMBERS[3]
    cells = kitty.placeholders(image, 1, 2, 4)
    assert cells.startswith(f"\x1b[38;5;42m\U0010eeee{row}{third}{high}\U0010eeee{row}")
    assert cells.endswith("\x1b[39m")
    assert cells.count("\U0010eeee") == 2


def test_numbers_never_have_a_colour_that_is_no_colour() -> None:
    images = [kitty.number(count) for count in range(70_000)]
    assert all(1 <= image & 0xFF <= 255 and image & 0xFFFF00 == 0 and image >> 24 < 256 for image in images)
    assert len(set(images)) == 255 * 256


@pytest.mark.parametrize("tmux", [False, True])
def test_a_sent_picture_arrives_as_it_was_and_goes(tmux: bool) -> None:
    terminal = GraphicTerminal(80, 24, tmux=tmux)
    pixels = noise(70, 50)
    terminal.feed(kitty.transmit(pixels, 42, 25, 17, tmux))
    sent = terminal.kept[42]
    assert (sent.width, sent.height, sent.cells, sent.lines) == (50, 70, 25, 17)
    assert sent.pixels == pixels.tobytes()
    terminal.feed(kitty.delete(42, tmux))
    assert terminal.kept == {}
    assert terminal.line(0).strip() == ""


@pytest.mark.parametrize("colours", list(Colours))
@pytest.mark.parametrize("unicode", [True, False])
def test_blocks_fill_their_cells(colours: Colours, unicode: bool) -> None:
    terminal = Terminal(colours=colours, unicode=unicode)
    lines = mosaic(smooth(64, 64), 11, 5, terminal)
    assert [len(line.glyphs) for line in lines] == [11] * 5
    for line in lines:
        assert re.sub(r"\x1b\[[0-9;]*m", "", line.ansi) == line.glyphs
        assert (line.fore is None) == (colours is Colours.NONE or not unicode)
        assert unicode or line.glyphs.isascii()


def test_blocks_take_the_colours_of_the_picture() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = (200, 10, 20)
    pixels[2:] = (0, 40, 250)
    line, *_ = mosaic(pixels, 2, 1, Terminal(colours=Colours.TRUE))
    assert line.ansi == "\x1b[38;2;200;10;20;48;2;0;40;250m▀▀\x1b[0m"
