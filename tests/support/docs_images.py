"""The pictures of `docs/images`, taken from a real session: `just pictures`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from pyte.screens import Char, Screen

from tests.support.commands import PASTA
from tests.support.terminal import TerminalSession

_CELL = (9, 18)
"""Width and height of a cell in pixels; the font is as wide."""
_FONT_SIZE = 15
_FOREGROUND, _BACKGROUND = "e0e0e0", "121212"
_HALVES = {"▀": (0, 0.5), "▄": (0.5, 1), "█": (0, 1)}
"""Characters that are pixels, by the part of the cell's height that they fill."""

Fonts = dict[bool, ImageFont.FreeTypeFont]


def main(folder: Path) -> None:
    """Play a session to its fourth turn and take it on the way."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        env |= {f"XDG_{kind}_HOME": f"{home}/{kind.lower()}" for kind in ("DATA", "CONFIG", "CACHE", "STATE")}
        command = [*PASTA, "session", "a red train in the snow", "--seed", "7"]
        with TerminalSession(command, env, 120, 38) as session:
            _asked(session, 1)
            picture(session.screen).save(folder / "turn.png", optimize=True)
            for turn, column in enumerate("231", start=1):
                _asked(session, turn)
                session.press(column.encode())
                session.wait_to_see(f"Enter takes column {column}")
                session.press(b"\r")
            _asked(session, 4)
            session.resize(120, 40)
            session.press(b"b")
            session.wait_to_see("foreseen, against chance")
            session.settle()
            picture(session.screen).save(folder / "belief.png", optimize=True)
            session.press(b"b")
            session.resize(84, 24)
            session.settle()
            session.press(b"w")
            session.wait_to_see("standard deviation")
            session.settle()
            picture(session.screen).save(folder / "why.png", optimize=True)
            session.press(b"\x11")
            session.wait()


def _asked(session: TerminalSession, turn: int) -> None:
    session.wait_to_see(f"turn {turn} of 5")
    session.wait_to_see("Enter takes column")
    session.settle()


def picture(screen: Screen) -> Image.Image:
    """A terminal's screen, drawn cell by cell."""
    wide, high = _CELL
    drawn = Image.new("RGB", (screen.columns * wide, screen.lines * high))
    brush = ImageDraw.Draw(drawn)
    files = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = {False: "DejaVuSansMono.ttf", True: "DejaVuSansMono-Bold.ttf"}
    fonts = {bold: ImageFont.truetype(files / name, _FONT_SIZE) for bold, name in names.items()}
    for row in range(screen.lines):
        for column in range(screen.columns):
            _draw_cell(brush, fonts, column * wide, row * high, screen.buffer[row][column])
    return drawn


def _draw_cell(brush: ImageDraw.ImageDraw, fonts: Fonts, x: int, y: int, char: Char) -> None:
    wide, high = _CELL
    ink, paper = _colour(char.fg, _FOREGROUND), _colour(char.bg, _BACKGROUND)
    if char.reverse:
        ink, paper = paper, ink
    brush.rectangle((x, y, x + wide - 1, y + high - 1), paper)
    if char.data in _HALVES:
        top, bottom = (round(part * high) for part in _HALVES[char.data])
        brush.rectangle((x, y + top, x + wide - 1, y + bottom - 1), ink)
    elif char.data.strip():
        brush.text((x, y), char.data, ink, fonts[char.bold])


def _colour(name: str, default: str) -> str:
    """A colour as pyte names it: six hexadecimal digits; others are not used by the interface."""
    return f"#{name if len(name) == 6 and name != 'default' else default}"


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    main(Path(sys.argv[1]))
