"""Why a slate shows what it shows: each column's category, what is predicted of it, and to what end."""

from __future__ import annotations

from textual.content import Content

from pasta_core.agent.slate_reasons import ColumnReason, Intent, SlateReasons
from pasta_core.text import clean
from pasta_tui.insight_words import HIDDEN, because, chose, worth
from pasta_tui.terminal.text import clipped, wrap
from pasta_tui.widgets.signed_bars import Interval, interval_line

__all__ = ["why_lines"]

_FAINT = "$foreground 60%"
_COLOURS = {Intent.PLEASE: "$text-success", Intent.LEARN: "$text-warning", Intent.WISH: "$text-accent"}
_MARGIN = 4
_LEAST_BAR = 12


def why_lines(reasons: SlateReasons, width: int, selected: int) -> Content:
    """The reasons in lines of at most `width` cells."""
    lines = [Content.styled(line, _FAINT) for line in wrap(chose(reasons), width)]
    scale = _scale(reasons)
    for number, reason in enumerate(reasons.columns):
        lines += [Content(), _head(number, reason, width, reasons.blind, number == selected)]
        lines += _judged(reason, width, scale)
        said = because(reason, reasons)
        lines += [Content(" " * _MARGIN + line) for line in wrap(said, width - _MARGIN)]
    if scale is not None:
        nought = _NOUGHT if scale[0] <= 0 <= scale[1] else ""
        lines += [Content(), Content.styled(clipped(_LEGEND + nought, width), _FAINT)]
    if reasons.blind:
        lines += [Content(), Content.styled(clipped(HIDDEN, width), _FAINT)]
    return Content("\n").join(lines)


_LEGEND = "● expected, in nats   ├─┤ standard deviation"
_NOUGHT = "   ┊┼ your own words' picture"


def _head(number: int, reason: ColumnReason, width: int, blind: bool, selected: bool) -> Content:
    """The column's number, its category and prompt unless `blind`, and what it is shown for."""
    intent = "" if reason.intent is None else str(reason.intent)
    mark = f" column {number + 1}" if blind else f" {number + 1} ".ljust(_MARGIN)
    said = "" if blind else clean(reason.candidate.category).text
    category = clipped(said, width - _MARGIN - len(intent) - 2)
    room = width - _MARGIN - len(category) - len(intent) - 4
    prompt = "" if blind or room < 8 else clipped(clean(reason.candidate.prompt).text, room)
    colour = _COLOURS.get(reason.intent, "$foreground") if reason.intent else "$foreground"
    left = Content.assemble(
        (mark, "bold $accent" if selected else "bold"),
        (category, "bold"),
        (f"  {prompt}", _FAINT),
    )
    return left.pad_right(width - left.cell_length - len(intent)) + Content.styled(intent, f"bold {colour}")


def _judged(reason: ColumnReason, width: int, scale: tuple[float, float] | None) -> list[Content]:
    said = worth(reason)
    if not said:
        return []
    room = width - _MARGIN - len(said) - 2
    if scale is None or reason.utility is None or room < _LEAST_BAR:
        return [Content(" " * _MARGIN + said)]
    interval = Interval(reason.utility, reason.spread or 0.0, *scale)
    colour = _COLOURS.get(reason.intent, "$accent") if reason.intent else "$accent"
    return [Content(" " * _MARGIN) + interval_line(interval, room, colour) + Content(f"  {said}")]


def _scale(reasons: SlateReasons) -> tuple[float, float] | None:
    """The least and the most of all intervals, and 0 where that is near."""
    ends = [
        it.utility + sign * (it.spread or 0.0)
        for it in reasons.columns
        if it.utility is not None
        for sign in (-1, 1)
    ]
    if not ends:
        return None
    low, high = min(ends), max(ends)
    room = max(high - low, 1e-6)
    if -room <= low and high <= room:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high
