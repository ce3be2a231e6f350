"""One picture in the cells of the terminal."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from pasta_core.text import clean
from pasta_tui.terminal.blocks import mosaic
from pasta_tui.terminal.graphics import Graphics, Protocol
from pasta_tui.terminal.text import cell_width, clipped
from pasta_tui.widgets.strips import Margins, PictureStrip, block_segments

__all__ = ["Fitted", "Picture", "fitted"]

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3), RGB."""


class Fitted(NamedTuple):
    """The cells a picture takes."""

    cells: int
    lines: int


def fitted(width: int, height: int, pixels: Pixels, cell_aspect: float) -> Fitted:
    """The largest box of the picture's shape within `width` x `height` cells, at least one cell."""
    lines_per_cell = pixels.shape[0] / pixels.shape[1] / cell_aspect
    cells = min(width, round(height / lines_per_cell))
    return Fitted(max(1, cells), max(1, min(height, round(cells * lines_per_cell))))


class Picture(Widget):
    """Shows one picture as large as it fits, centred; a short dim text where there is none yet.

    Borders belong on the container: then a selection that moves never encodes a picture again.
    """

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    """
    ALLOW_SELECT = False

    def __init__(
        self,
        graphics: Graphics,
        *,
        placeholder: str = "",
        description: str = "picture",
        name: str | None = None,
        id: str | None = None,  # noqa: A002  Textual's own name
        classes: str | None = None,
    ) -> None:
        """Start empty.

        `placeholder` stands where no picture is yet, `description` where the terminal shows words only.
        """
        super().__init__(name=name, id=id, classes=classes)
        self._graphics = graphics
        self._pixels: Pixels | None = None
        self._placeholder = placeholder
        self._description = description
        self._drawn: tuple[object, list[Strip]] | None = None

    @property
    def pixels(self) -> Pixels | None:
        """What is shown, RGB (height, width, 3); setting it repaints this widget and lays nothing out."""
        return self._pixels

    @pixels.setter
    def pixels(self, pixels: Pixels | None) -> None:
        if pixels is not self._pixels:
            self._pixels = pixels
            self._drawn = None
            self.refresh()

    @property
    def placeholder(self) -> str:
        """A short text shown while there is no picture; never read as markup."""
        return self._placeholder

    @placeholder.setter
    def placeholder(self, text: str) -> None:
        if text != self._placeholder:
            self._placeholder = text
            self._changed_text()

    @property
    def description(self) -> str:
        """The words that stand for the picture where the terminal shows words only."""
        return self._description

    @description.setter
    def description(self, text: str) -> None:
        if text != self._description:
            self._description = text
            self._changed_text()

    def render_line(self, y: int) -> Strip:
        """One line of the content."""
        lines = self._lines()
        return lines[y] if y < len(lines) else Strip.blank(self.content_size.width, self.rich_style)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines as they are: Textual's own way copies every segment of every line once more."""
        if self.gutter:
            return super().render_lines(crop)
        strips = self._lines()[crop.y : crop.bottom]
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def _changed_text(self) -> None:
        self._drawn = None
        self.refresh()

    def _lines(self) -> list[Strip]:
        """All lines of the content, made again only if the picture, the size or the background changed."""
        width, height = self.content_size
        style = self.rich_style
        key = (width, height, style)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self._draw(width, height, style))
        return self._drawn[1]

    def _draw(self, width: int, height: int, style: Style) -> list[Strip]:
        if not width or not height:
            return []
        pixels = self._pixels
        if pixels is None:
            return _words(self._placeholder, width, height, style)
        if self._graphics.protocol is Protocol.NONE:
            return _words(self._description, width, height, style)
        box = fitted(width, height, pixels, self._graphics.cell_aspect)
        left = (width - box.cells) // 2
        margins = Margins(left, width - box.cells - left, style)
        picture: list[Strip] = [
            PictureStrip(line.ansi, box.cells, margins, partial(block_segments, line))
            for line in mosaic(pixels, box.cells, box.lines, self._graphics)
        ]
        return _centred(picture, width, height, style)


def _words(text: str, width: int, height: int, style: Style) -> list[Strip]:
    """`text` dim in the middle."""
    shown = clipped(clean(text).text, width)
    if not shown:
        return [Strip.blank(width, style)] * height
    left = (width - cell_width(shown)) // 2
    right = width - cell_width(shown) - left
    line = Strip([Segment(" " * left + shown + " " * right, style + Style(dim=True))], width)
    return _centred([line], width, height, style)


def _centred(lines: list[Strip], width: int, height: int, style: Style) -> list[Strip]:
    blank = Strip.blank(width, style)
    above = (height - len(lines)) // 2
    return [*[blank] * above, *lines, *[blank] * (height - len(lines) - above)]
