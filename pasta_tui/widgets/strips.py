"""Lines of a picture as Textual's strips, written as ready text instead of cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from pasta_tui.terminal.blocks import BlockLine
from pasta_tui.terminal.kitty import placeholders

__all__ = ["BlockStrip", "KittyImage", "KittyStrip", "Margins", "SixelImage", "SixelStrip"]

Segments = Callable[[], list[Segment]]


class Margins(NamedTuple):
    """The empty cells beside a picture's line."""

    left: int
    right: int
    style: Style

    def around(self, line: BlockLine) -> list[Segment]:
        """The whole line as segments, one a cell, in true colour: Rich brings it down to what there is."""
        return [*self._blank(self.left), *_cells(line), *self._blank(self.right)]

    def beside(self, text: str, console: Console) -> str:
        """The whole line as written to the terminal."""
        colours = console._color_system or ColorSystem.TRUECOLOR
        left, right = (
            Strip.render_style(self.style, " " * width, colours) if width else ""
            for width in (self.left, self.right)
        )
        return f"{left}{text}{right}"

    def _blank(self, width: int) -> list[Segment]:
        return [Segment(" " * width, self.style)] if width else []


def _cells(line: BlockLine) -> list[Segment]:
    fore, back = line.fore, line.back
    if fore is None or back is None:
        return [Segment(line.glyphs)]
    return [
        Segment(glyph, Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*paper)))
        for glyph, ink, paper in zip(line.glyphs, fore.tolist(), back.tolist(), strict=True)
    ]


class _ReadyStrip(Strip):
    """A line whose segments are made only if something tints, filters or exports it.

    Sixteen pictures have thousands of cells, and a segment and a style for each cost more than everything
    else in a frame. Textual's ways to change a strip yield ordinary strips, made of the segments.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, width: int, segments: Segments) -> None:
        self._make = segments
        self._made: list[Segment] | None = None
        super().__init__((), width)

    @property
    def _segments(self) -> list[Segment]:
        if self._made is None:
            self._made = self._make()
        return self._made

    @_segments.setter
    def _segments(self, segments: list[Segment]) -> None:
        """Textual's constructor sets what it was given, which is nothing."""

    def crop(self, start: int, end: int | None = None) -> Strip:
        """The cells from `start` to `end` (exclusive)."""
        strip = super().crop(start, end)
        return strip if strip is self else self._part(max(0, start), strip)

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """The pieces between the cuts."""
        strips = super().divide(cuts)
        if len(strips) == 1 and strips[0] is self:
            return strips
        starts = [sum(strip.cell_length for strip in strips[:place]) for place in range(len(strips))]
        return [self._part(start, strip) for start, strip in zip(starts, strips, strict=True)]

    def _part(self, start: int, strip: Strip) -> Strip:
        """What stands for a piece of this line, given the piece as an ordinary strip."""
        return strip


class BlockStrip(_ReadyStrip):
    """One line of blocks or shades."""

    __slots__ = ("_line", "_margins")

    def __init__(self, line: BlockLine, margins: Margins) -> None:
        self._line = line
        self._margins = margins
        width = margins.left + len(line.glyphs) + margins.right
        super().__init__(width, lambda: margins.around(line))

    def render(self, console: Console) -> str:
        """The line as written to the terminal."""
        if self._render_cache is None:
            self._render_cache = self._margins.beside(self._line.ansi, console)
        return self._render_cache


@dataclass
class KittyImage:
    """A picture that the terminal keeps; it is sent with the first of its lines that is written."""

    number: int
    code: str
    """What sends it, and takes away what it replaces."""
    sent: bool = False

    def take(self) -> str:
        """The code where it was not written yet."""
        if self.sent:
            return ""
        self.sent = True
        return self.code


class KittyStrip(_ReadyStrip):
    """Some cells of one line of a picture, which stay sharp when cut."""

    __slots__ = ("_cells", "_image", "_line", "_margins")

    def __init__(
        self, image: KittyImage, line: int, cells: range, margins: Margins, segments: Segments
    ) -> None:
        self._image = image
        self._line = line
        self._cells = cells
        self._margins = margins
        super().__init__(margins.left + len(cells) + margins.right, segments)

    def render(self, console: Console) -> str:
        """The line as written to the terminal."""
        if self._render_cache is None:
            text = placeholders(self._image.number, self._line, self._cells.start, self._cells.stop)
            self._render_cache = self._margins.beside(text, console)
        return self._image.take() + self._render_cache

    def _part(self, start: int, strip: Strip) -> Strip:
        end = start + strip.cell_length
        left, _, style = self._margins
        cells = self._cells[max(0, start - left) : max(0, end - left)]
        if not cells:
            return strip
        before = max(0, left - start)
        margins = Margins(before, strip.cell_length - before - len(cells), style)
        return KittyStrip(self._image, self._line, cells, margins, lambda: list(strip))


@dataclass
class SixelImage:
    """A picture that is drawn over its cells at the end of a frame that wrote all of them.

    A frame that wrote only some of them, or parts, has left holes in what was drawn before.
    """

    code: str
    lines: int
    started: Callable[[], None]
    """Called when a frame begins to write the picture's cells."""
    whole: bool = field(default=False, init=False)
    """All of it was drawn by the last frame that touched it."""
    _next: int = field(default=0, init=False)
    _touched: bool = field(default=False, init=False)

    def wrote(self, line: int) -> str:
        """A whole line was written; returns what draws the picture where it was the last of all."""
        self._touch()
        in_order = line in (0, self._next)
        self._next = line + 1 if in_order else self.lines + 1
        self.whole = self._next == self.lines
        return self.code if self.whole else ""

    def wrote_part(self) -> None:
        """Some cells of a line were written."""
        self._touch()
        self._next = self.lines + 1
        self.whole = False

    def settle(self) -> bool:
        """After a frame: whether the picture is whole."""
        self._touched = False
        self._next = self.lines + 1
        return self.whole

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self.started()


class SixelStrip(_ReadyStrip):
    """One line of blocks; the last of an unbroken picture draws the sharp one over all of them."""

    __slots__ = ("_image", "_line", "_margins", "_place")

    def __init__(self, image: SixelImage, place: int, line: BlockLine, margins: Margins) -> None:
        self._image = image
        self._place = place
        self._line = line
        self._margins = margins
        width = margins.left + len(line.glyphs) + margins.right
        super().__init__(width, lambda: margins.around(line))

    def render(self, console: Console) -> str:
        """The line as written to the terminal."""
        if self._render_cache is None:
            self._render_cache = self._margins.beside(self._line.ansi, console)
        code = self._image.wrote(self._place)
        if not code:
            return self._render_cache
        up = f"\x1b[{self._place}A" if self._place else ""
        right = f"\x1b[{self._margins.left}C" if self._margins.left else ""
        return f"\x1b7{self._render_cache}\x1b8{up}{right}{code}\x1b8\x1b[{self.cell_length}C"

    def _part(self, start: int, strip: Strip) -> Strip:
        return _SixelPart(strip, self._image)


class _SixelPart(_ReadyStrip):
    """A piece of a line, which tells its picture when it is written."""

    __slots__ = ("_image",)

    def __init__(self, strip: Strip, image: SixelImage) -> None:
        self._image = image
        super().__init__(strip.cell_length, lambda: list(strip))

    def render(self, console: Console) -> str:
        """The piece as written to the terminal."""
        self._image.wrote_part()
        return super().render(console)

    def _part(self, start: int, strip: Strip) -> Strip:
        return _SixelPart(strip, self._image)
