"""Lines of a picture as Textual's strips, written as they are instead of cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from pasta_tui.terminal.blocks import BlockLine

__all__ = ["Margins", "PictureStrip", "block_segments"]


class Margins(NamedTuple):
    """The empty cells beside a picture's line."""

    left: int
    right: int
    style: Style


class PictureStrip(Strip):
    """A line that is written as ready text; its segments are made only if something cuts or tints it.

    Sixteen pictures have thousands of cells, and a segment and a style for each cost more than everything
    else in a frame. What Textual does to a strip (crop, divide, join, filter) yields ordinary strips.
    """

    __slots__ = ("_ansi", "_made", "_make", "_margins")

    def __init__(
        self, ansi: str, cells: int, margins: Margins, segments: Callable[[], Iterable[Segment]]
    ) -> None:
        self._make = segments
        self._made: list[Segment] | None = None
        self._ansi = ansi
        self._margins = margins
        super().__init__((), margins.left + cells + margins.right)

    @property
    def _segments(self) -> list[Segment]:
        if self._made is None:
            left, right, style = self._margins
            sides = [[Segment(" " * width, style)] if width else [] for width in (left, right)]
            self._made = [*sides[0], *self._make(), *sides[1]]
        return self._made

    @_segments.setter
    def _segments(self, segments: list[Segment]) -> None:
        """Textual's constructor sets what it was given, which is nothing."""

    def render(self, console: Console) -> str:
        """The line with its margins, as written to the terminal."""
        if self._render_cache is None:
            left, right, style = self._margins
            colours = console._color_system or ColorSystem.TRUECOLOR
            sides = [
                self.render_style(style, " " * width, colours) if width else "" for width in (left, right)
            ]
            self._render_cache = f"{sides[0]}{self._ansi}{sides[1]}"
        return self._render_cache


def block_segments(line: BlockLine) -> list[Segment]:
    """One segment a cell, in true colour: Rich brings it down to what the console has."""
    fore, back = line.fore, line.back
    if fore is None or back is None:
        return [Segment(line.glyphs)]
    return [
        Segment(glyph, Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*paper)))
        for glyph, ink, paper in zip(line.glyphs, fore.tolist(), back.tolist(), strict=True)
    ]
