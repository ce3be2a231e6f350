"""How a slate fits into a window: how wide a column is, and how large its pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pasta_tui.terminal.text import wrap

__all__ = [
    "GAP",
    "GUTTER",
    "TITLE",
    "Fit",
    "Layout",
    "Place",
    "Texts",
    "fit",
    "lay_out",
    "moved",
    "text_lines",
]

GUTTER = 1
"""Cells on the left of every picture, where the selected one is marked."""
TITLE = 1
"""Lines of a column's title."""
GAP = 1
"""Lines above the selected column's larger pictures."""
_LEAST_TEXT = 3
"""Lines kept for the prompts where they are shown."""
_WORTH_IT = 1.4
"""How much larger pictures must be than those in the columns to be shown once more."""
_NARROWEST = 16
"""Cells of a column below which columns scroll instead."""
_NEARLY = 0.85
"""Pictures of this share of the largest possible side are large enough, if they leave room for text."""


@dataclass(frozen=True)
class Fit:
    """The shape of one column, in cells: `across` pictures beside each other, each `width` x `height`."""

    column: int
    across: int
    down: int
    width: int
    height: int

    @property
    def lines(self) -> int:
        """Lines that a column's pictures take."""
        return self.down * self.height


@dataclass(frozen=True)
class Texts:
    """Where prompts stand, in lines: under every column, and one of them at full width below them all."""

    columns: int = 0
    detail: int = 0


@dataclass(frozen=True)
class Layout:
    """A whole slate, in cells; `large` lines are for the selected column's pictures, once more and larger."""

    shape: Fit
    texts: Texts
    large: int


@dataclass(frozen=True)
class Place:
    """One image of a slate: its column and its place in it, both 0-based."""

    column: int = 0
    image: int = 0


def fit(columns: int, images: int, width: int, height: int, aspect: float) -> Fit:
    """Choose how a column's pictures are arranged: about as large as they can be, in few lines.

    `width` and `height` are the cells for all columns and for the pictures of one; `aspect` is a cell's
    height over its width. Where columns get too narrow, each keeps `_NARROWEST` and they scroll.
    """
    column = max(min(_NARROWEST, width), width // max(columns, 1))
    shapes = [_arranged(across, images, column, height, aspect) for across in range(1, max(images, 1) + 1)]
    largest = max(_side(shape, aspect) for shape in shapes)
    return min(
        (shape for shape in shapes if _side(shape, aspect) >= _NEARLY * largest),
        key=lambda shape: (shape.lines, -_side(shape, aspect)),
    )


def _arranged(across: int, images: int, column: int, height: int, aspect: float) -> Fit:
    down = -(-images // across) or 1
    width = max(1, column // across - GUTTER)
    return Fit(column, across, down, width, max(1, min(height // down, ceil(width / aspect))))


def _side(shape: Fit, aspect: float) -> float:
    """The side of a square picture in this shape, in widths of a cell."""
    return min(shape.width, shape.height * aspect)


def text_lines(prompts: Sequence[str], shape: Fit, width: int, lines: int) -> Texts:
    """Share `lines` out: prompts that are too long for their columns give room to one at full width."""
    longest = max((len(wrap(prompt, max(1, shape.column - 2))) for prompt in prompts), default=0)
    if longest <= lines:
        return Texts(columns=longest)
    detail = min(lines, _full_width(prompts, width))
    return Texts(lines - detail if lines - detail > 1 else 0, detail)


def lay_out(
    prompts: Sequence[str], columns: int, images: int, width: int, height: int, aspect: float
) -> Layout:
    """Lay a slate out in `width` x `height` cells; `prompts` are empty where they are hidden."""
    least = _LEAST_TEXT if prompts else 0
    height -= columns * _NARROWEST > width  # the bar that says where they are scrolled to
    shape = fit(columns, images, width, max(1, height - TITLE - least), aspect)
    left = max(0, height - TITLE - shape.lines)
    below = Texts(0, _full_width(prompts, width))
    layout = Layout(shape, text_lines(prompts, shape, width, left), 0)
    # Larger pictures are worth more than all prompts at once: the selected one stays in sight.
    for texts in (layout.texts, below):
        large = _large(left - texts.columns - texts.detail - GAP, shape, images, width, aspect)
        if columns > 1 and large:
            return Layout(shape, texts, large)
    return layout


def _large(lines: int, shape: Fit, images: int, width: int, aspect: float) -> int:
    """How many of `lines` the selected column's pictures take once more; 0 where they are hardly larger."""
    large = min(lines, ceil((width // images - GUTTER) / aspect))
    return large if large * aspect >= _WORTH_IT * _side(shape, aspect) else 0


def _full_width(prompts: Sequence[str], width: int) -> int:
    """Lines of the longest prompt behind its number, at full width."""
    return max((len(wrap(prompt, max(1, width - 4))) for prompt in prompts), default=0)


def moved(place: Place, columns: int, images: int, across: int, dx: int, dy: int) -> Place:
    """The image next to a place as the eye sees it; at an edge the place stays."""
    row, x = divmod(place.image, across)
    column, x, row = place.column, x + dx, row + dy
    if x < 0 or x >= min(across, images):
        column, x = column + dx, 0 if dx > 0 else across - 1
    if not 0 <= column < columns or not 0 <= row * across < images or row < 0:
        return place
    return Place(column, min(row * across + x, images - 1))
