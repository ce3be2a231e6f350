"""Curves with intervals as lines of text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Marks", "text_plot"]


@dataclass(frozen=True)
class Marks:
    """What points, intervals, the axis and the chance level are drawn with."""

    point: str = "●"
    interval: str = "│"
    level: str = "┈"
    axis: str = "┤"
    floor: str = "─"
    corner: str = "└"


ASCII_MARKS = Marks("*", "|", "-", "|", "-", "+")


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    height: int

    def row(self, value: float) -> int:
        """The row, 0 at the top, that a value lies in."""
        share = (value - self.low) / (self.high - self.low)
        return round((1 - share) * (self.height - 1))

    def value(self, row: int) -> float:
        return self.high - (self.high - self.low) * row / (self.height - 1)


def text_plot(
    labels: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    level: float | None = None,
    height: int = 10,
    unicode: bool = True,
) -> list[str]:
    """Draw a point with its interval above each label, and a level (chance) across.

    The values are spread evenly, in the order of their labels; returns `height` lines and two of the axis.
    """
    marks = Marks() if unicode else ASCII_MARKS
    bounds = [bound for interval in intervals for bound in interval] + list(values)
    bounds += [] if level is None else [level]
    low, high = min(bounds), max(bounds)
    scale = _Scale(low, high if high > low else low + 1.0, height)
    step = max(len(label) for label in labels) + 3
    width = step * len(labels)
    rows = [[" "] * width for _ in range(height)]
    if level is not None:
        rows[scale.row(level)] = [marks.level] * width
    for number, (value, (bottom, top)) in enumerate(zip(values, intervals, strict=True)):
        place = step * number + (step - 1) // 2
        for row in range(scale.row(top), scale.row(bottom) + 1):
            rows[row][place] = marks.interval
        rows[scale.row(value)][place] = marks.point
    names = [f"{scale.value(row):.3f}" if row % 3 == 0 else "" for row in range(height)]
    margin = max(len(name) for name in names)
    lines = [
        f"{name:>{margin}} {marks.axis}{''.join(row)}".rstrip() for name, row in zip(names, rows, strict=True)
    ]
    axis = " " * (margin + 1) + marks.corner + marks.floor * width
    below = " " * (margin + 2) + "".join(f"{label:^{step}}" for label in labels)
    return [*lines, axis, below.rstrip()]
