"""Bars and marks made of characters: gains and losses from one axis, shares, and intervals."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from pasta_tui.terminal.text import clipped, padded

__all__ = ["Interval", "interval_line", "share_line", "signed_line"]

_FIGURE = 6
"""Cells of a signed figure and the one before it."""


def signed_line(label: str, value: float, most: float, width: int) -> Content:
    """A label, a bar to the right (gain) or left (loss) of the axis, and the figure, in `width` cells.

    `most` is what a bar's whole half stands for.
    """
    half = max(2, (width - _FIGURE) // 6)
    text = max(1, width - _FIGURE - 2 * half - 2)
    halves = min(2 * half, round(2 * half * abs(value) / most)) if most else 0
    whole, part = divmod(halves, 2)
    colour = "$text-success" if value >= 0 else "$text-error"
    if value >= 0:
        left, right = " " * half, "█" * whole + "▌" * part
    else:
        left, right = ("▐" * part + "█" * whole).rjust(half), ""
    return Content.assemble(
        padded(clipped(label, text), text),
        " ",
        (left, colour),
        ("│", "$foreground 30%"),
        (right.ljust(half), colour),
        (f"{value:+.2f}".rjust(_FIGURE), colour),
    )


def share_line(
    label: str, share: float, width: int, text: int, figure: str, mark: float | None = None
) -> Content:
    """A label in `text` cells, a bar of `share` (0 to 1) with a mark at another share, and a figure."""
    room = max(4, width - text - len(figure) - 2)
    done = min(room, round(share * room))
    cells = ["━"] * room
    at = None if mark is None else min(room - 1, round(mark * room))
    if at is not None:
        cells[at] = "┿"
    bar = "".join(cells)
    return Content.assemble(
        padded(clipped(label, text), text),
        " ",
        (bar[:done], "$accent"),
        (bar[done:].replace("━", "─").replace("┿", "┼"), "$foreground 30%"),
        f" {figure}",
    )


@dataclass(frozen=True)
class Interval:
    """A mean, how far it may be off, and the scale from `low` to `high` on which both are shown."""

    mean: float
    spread: float
    low: float
    high: float


def interval_line(interval: Interval, width: int, colour: str) -> Content:
    """The interval on its scale, with a mark at 0 where that lies on it."""

    def at(value: float) -> int:
        share = (value - interval.low) / max(interval.high - interval.low, 1e-9)
        return min(width - 1, max(0, round(share * (width - 1))))

    first, middle, last = (at(interval.mean + off) for off in (-interval.spread, 0.0, interval.spread))
    cells = ["·"] * width
    if interval.low <= 0 <= interval.high:
        cells[at(0.0)] = "┊"
    faint = list(cells)
    for place in range(first, last + 1):
        cells[place] = "┼" if cells[place] == "┊" else "─"
    if first < last:
        cells[first], cells[last] = "├", "┤"
    cells[middle] = "●"
    return Content.assemble(
        ("".join(faint[:first]), "$foreground 30%"),
        ("".join(cells[first : last + 1]), colour),
        ("".join(faint[last + 1 :]), "$foreground 30%"),
    )
