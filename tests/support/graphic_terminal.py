"""An app that draws into memory, and a terminal that knows which cells show real pixels."""

from __future__ import annotations

import copy
import re
import zlib
from base64 import standard_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyte
from textual.app import App
from textual.driver import Driver

__all__ = ["GraphicTerminal", "RecordingApp", "SentImage"]

_STRING = re.compile(r"\x1b[P_](.*?)\x1b\\", re.DOTALL)
_PASSED = re.compile(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", re.DOTALL)
_PLACEHOLDER = "\U0010eeee"


class RecordingApp(App[None]):
    """Headless, but frames are rendered and written as to a real terminal."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        super().__init__()

    @property
    def is_headless(self) -> bool:
        return False

    def _build_driver(self, *arguments: Any, **options: Any) -> Driver:
        driver = super()._build_driver(*arguments, **options)
        write: Callable[[str], None] = self.frames.append
        driver.write = write  # type: ignore[method-assign]
        return driver

    def taken(self) -> str:
        """What was written since the last call."""
        written = "".join(self.frames)
        self.frames.clear()
        return written


class _Screen(pyte.Screen):
    """Tells which cells are written."""

    def __init__(self, columns: int, lines: int, written: Callable[[int, int], None]) -> None:
        self._written = written
        super().__init__(columns, lines)

    def draw(self, data: str) -> None:
        for character in data:
            if pyte.screens.wcwidth(character):
                x = min(self.cursor.x, self.columns - 1)
                self._written(x, self.cursor.y)
            super().draw(character)

    def restore_cursor(self) -> None:
        """Terminals keep what was saved; pyte takes it off a stack."""
        kept = copy.deepcopy(self.savepoints)
        super().restore_cursor()
        self.savepoints = kept


@dataclass
class SentImage:
    """A picture that was sent by the kitty protocol."""

    width: int
    height: int
    cells: int
    lines: int
    pixels: bytes


@dataclass
class GraphicTerminal:
    """Cells as text by pyte; beside it, cells that show Sixel and pictures that are kept in memory."""

    columns: int
    rows: int
    cell: tuple[int, int] = (10, 20)
    tmux: bool = False
    sixels: set[tuple[int, int]] = field(default_factory=set)
    sixel_count: int = 0
    kept: dict[int, SentImage] = field(default_factory=dict)
    sent: int = 0

    def __post_init__(self) -> None:
        self.screen = _Screen(self.columns, self.rows, lambda x, y: self.sixels.discard((x, y)))
        self._stream = pyte.Stream(self.screen)
        self._open: tuple[dict[str, int], str] | None = None

    def feed(self, text: str) -> None:
        """Draw what an app wrote."""
        if self.tmux:
            text = _PASSED.sub(lambda match: match[1].replace("\x1b\x1b", "\x1b"), text)
        place = 0
        for match in _STRING.finditer(text):
            self._stream.feed(_plain(text[place : match.start()]))
            if match[0].startswith("\x1b_G"):
                self._kitty(match[1][1:])
            else:
                self._sixel(match[1])
            place = match.end()
        self._stream.feed(_plain(text[place:]))

    def line(self, y: int) -> str:
        return self.screen.display[y]

    def _sixel(self, body: str) -> None:
        raster = re.match(r'0;1;0q"1;1;(\d+);(\d+)', body)
        assert raster, body[:40]
        width, height = int(raster[1]), int(raster[2])
        across, down = -(-width // self.cell[0]), -(-height // self.cell[1])
        left, top = self.screen.cursor.x, self.screen.cursor.y
        assert left + across <= self.columns and top + down < self.rows
        self.sixels |= {(left + x, top + y) for x in range(across) for y in range(down)}
        self.sixel_count += 1

    def _kitty(self, body: str) -> None:
        head, _, data = body.partition(";")
        keys = dict(pair.split("=") for pair in head.split(","))
        if keys.get("a") == "q":
            return
        assert keys["q"] == "2"
        assert len(data) <= 4096
        if keys.get("a") == "d":
            del self.kept[int(keys["i"])]
            return
        numbers = {key: int(value) for key, value in keys.items() if value.isdecimal()}
        first, before = self._open or (numbers, "")
        self._open = (first, before + data)
        if numbers["m"]:
            return
        pixels = zlib.decompress(standard_b64decode(self._open[1]))
        self._open = None
        assert len(pixels) == 3 * first["s"] * first["v"]
        self.kept[first["i"]] = SentImage(first["s"], first["v"], first["c"], first["r"], pixels)
        self.sent += 1


def _plain(text: str) -> str:
    """pyte joins the marks of a placeholder cell to it, but does not know how wide it is."""
    return text.replace(_PLACEHOLDER, "P")
