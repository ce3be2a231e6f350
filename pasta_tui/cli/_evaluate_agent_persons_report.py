"""The comparison of agents over many sessions as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pasta_core.evaluation.agent import FLOOR
from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.persons import Foresight, PersonsResult, SessionResult
from pasta_core.evaluation.persons_bars import ENOUGH, Bar, bars
from pasta_core.evaluation.text_plot import text_plot
from pasta_tui.cli._metric_words import said
from pasta_tui.cli._selector_words import legend, short_names

__all__ = ["table"]

_FIRST_LOOK = f" (a first look: {ENOUGH[0]} x {ENOUGH[1]} make a claim)"
_MOST = 11
"""Sessions, or turns, in a line of a table."""
_SINCE = 3
"""Sessions since a change in a line, as many as a taste has to be back."""
_LONGEST = 13
"""Letters of a selector's name in a table: what `_MOST` sessions leave of 80 columns."""

_T = TypeVar("_T")
_Names = Mapping[str, str]
"""What tables call selectors, by their names in full."""


def table(
    results: Sequence[PersonsResult],
    persons: int,
    users: str,
    reward: str,
    unicode: bool,
    drift: int | None = None,
) -> Iterator[str]:
    """The whole comparison, a line each, in 80 columns."""
    names = short_names([one.selector for one in results], _LONGEST)
    sessions = len(results[0].sessions)
    few = "" if persons >= ENOUGH[0] and sessions >= ENOUGH[1] else _FIRST_LOOK
    yield f"{persons} persons x {sessions} sessions{few}"
    yield f"{users}, {reward} reward, 95 % intervals over persons"
    if results[0].ceiling is not None:
        yield f"the gap is that from random to {results[0].ceiling}"
    yield from legend(names)
    yield from _moments(results, names)
    yield ""
    yield "below, +- is half the length of the interval"
    yield from _by_session("mean by session", results, names, lambda one: one.score, 1)
    if results[0].ceiling is not None:
        yield from _by_session("gap closed by session, %", results, names, lambda one: one.gap_closed, 100)
    for number in sorted({1, sessions}):
        yield from _by_turn(number, results, names)
    yield from _calibration(results, names)
    yield from _rivals(results, names)
    yield from _regained(results, names)
    yield from _bars(bars(results, drift), names)
    yield from _curves(results, names, unicode)


def _width(names: _Names) -> int:
    return max(len("selector"), *map(len, names.values()))


def _moments(results: Sequence[PersonsResult], names: _Names) -> Iterator[str]:
    """What each selector is worth at the start, at the end of a session, at the end of all, and over all."""
    width, last, turns = _width(names), len(results[0].sessions), len(results[0].turns)
    yield ""
    yield f"{'':{width + 2}}  {'value':>18}  {'over random':>18}  {'gap closed, %':>18}"
    for turn in sorted({1, turns}):
        yield f"session 1, turn {turn}"
        for one in results:
            first = one.sessions[0]
            more = first.over_floor[turn - 1] if first.over_floor else NOTHING
            yield _moment(names[one.selector], width, first.turns[turn - 1], more, first.turn_gaps[turn - 1])
    if last > 1:
        yield f"session {last}"
        for one in results:
            end = one.sessions[-1]
            yield _moment(names[one.selector], width, end.score, end.gain, end.gap_closed)
    yield "all sessions"
    for one in results:
        rival = one.against.get(FLOOR)
        yield _moment(
            names[one.selector],
            width,
            one.score,
            NOTHING if rival is None else rival.difference,
            one.gap_closed,
        )


def _moment(name: str, width: int, value: Metric, more: Metric, gap: Metric) -> str:
    return f"  {name:{width}}  {said(value):>18}  {said(more):>18}  {said(gap, 100):>18}"


def _by_session(
    title: str,
    results: Sequence[PersonsResult],
    names: _Names,
    metric: Callable[[SessionResult], Metric],
    times: float,
) -> Iterator[str]:
    shown = [one.session for one in _some(results[0].sessions)]
    rows = {one.selector: [metric(session) for session in _some(one.sessions)] for one in results}
    yield from _grid(title, shown, rows, names, times)


def _by_turn(number: int, results: Sequence[PersonsResult], names: _Names) -> Iterator[str]:
    """The turns of one session (from 1): their value and, where there is a gap, how much of it they close."""
    sessions = {one.selector: one.sessions[number - 1] for one in results}
    shown = _some(range(1, len(results[0].turns) + 1))
    values = {name: _some(one.turns) for name, one in sessions.items()}
    yield from _grid(f"value by turn, session {number}", shown, values, names, 1)
    if results[0].ceiling is not None:
        gaps = {name: _some(one.turn_gaps) for name, one in sessions.items()}
        yield from _grid(f"gap closed by turn, session {number}, %", shown, gaps, names, 100)


def _grid(
    title: str,
    columns: Sequence[int],
    rows: Mapping[str, Sequence[Metric]],
    names: _Names,
    times: float,
) -> Iterator[str]:
    """Numbers side by side, and below each half the length of its interval."""
    width, digits = _width(names), 2 if times == 1 else 0

    def cells(numbers: Iterable[float | None]) -> str:
        return "".join("     -" if one is None else f"{times * one:6.{digits}f}" for one in numbers)

    yield ""
    yield title
    yield f"{'':{width}} " + "".join(f"{one:>6}" for one in columns)
    for name, metrics in rows.items():
        yield f"{names[name]:{width}} " + cells(one.value for one in metrics)
        if any(one.ci95 for one in metrics):
            halves = (None if one.ci95 is None else (one.ci95[1] - one.ci95[0]) / 2 for one in metrics)
            yield f"{'  +-':{width}} " + cells(halves)


def _calibration(results: Sequence[PersonsResult], names: _Names) -> Iterator[str]:
    """What was foreseen of picks, with the pictures and, where the selector has utilities, without."""
    width, seen = _width(names), results[0].foresight
    log, accuracy = seen.log_likelihood.chance or 0, 100 * (seen.accuracy.chance or 0)
    yield ""
    yield f"{'picks foreseen':{width + 2}}  {'log chance':>20}  {'right, %':>14}  {'as said, %':>14}"
    yield "by a taste that follows along and sees the pictures"
    yield from (_foresight_line(names[one.selector], width, one.foresight) for one in results)
    told = [one for one in results if one.foreseen.accuracy.n]
    if told:
        yield "by the selector's own values of prompts, before anything was painted"
        yield from (_foresight_line(names[one.selector], width, one.foreseen) for one in told)
    yield f"guessing has {log:.2f} and {accuracy:.0f} %; calibrated chances are right as often as they say"


def _foresight_line(name: str, width: int, seen: Foresight) -> str:
    cells = f"{said(seen.log_likelihood):>20}  {said(seen.accuracy, 100):>14}  {said(seen.said, 100):>14}"
    return f"  {name:{width}}  {cells}"


def _rivals(results: Sequence[PersonsResult], names: _Names) -> Iterator[str]:
    """Every pair once, the later one against the earlier."""
    width = 2 * _width(names) + len(" against ")
    yield ""
    yield f"{'paired':{width}}  {'difference':>18}  {'of the gap, %':>18}"
    for place, result in enumerate(results):
        for other in results[:place]:
            one = result.against[other.selector]
            pair = f"{names[result.selector]} against {names[other.selector]}"
            cells = f"{said(one.difference):>18}  {said(one.of_gap, 100):>18}"
            yield f"{pair:{width}}  {cells}"


def _regained(results: Sequence[PersonsResult], names: _Names) -> Iterator[str]:
    told = [one for one in results if any(share.value is not None for share in one.regained)]
    if told:
        yield ""
        yield "gap closed in the sessions since tastes changed, % of what it was just before"
    for one in told:
        cells = [f"{said(share, 100):>15}" for share in one.regained]
        for begin in range(0, len(cells), _SINCE):
            name = "" if begin else names[one.selector]
            yield f"{name:{_width(names)}}  " + "  ".join(cells[begin : begin + _SINCE])


def _bars(found: Sequence[Bar], names: _Names) -> Iterator[str]:
    """What was asked and what was found; shares in %."""
    if not found:
        return
    width = _width(names)
    yield ""
    yield f"{'bar':{width}}  {'':30}  {'asked':>6}  {'found':>18}"
    for one in found:
        times = 1 if one.what == "over random" else 100
        asked = f"{'>' if one.surely else '>='} {times * one.least:.0f}"
        verdict = {True: "met", False: "short", None: "open"}[one.met]
        cells = f"{asked:>6}  {said(one.found, times):>18}  {verdict}"
        yield f"{names[one.selector]:{width}}  {_meaning(one, names):30}  {cells}"
    yield "> asks it of the whole interval, >= of the value"
    for reason in dict.fromkeys(reason for one in found for reason in one.reasons):
        yield f"open: {reason}"


def _meaning(bar: Bar, names: _Names) -> str:
    match bar.what:
        case "turn":
            return "session 1, turn 1, the gap, %"
        case "over random":
            return f"session 1, turn {bar.turn}, over random"
        case "pooled":
            return f"pooled, over {'its parts' if bar.rival is None else names[bar.rival]}, %"
        case "regained":
            return f"session {bar.session}, regained, %"
    return f"session {bar.session}, gap closed, %"


def _curves(results: Sequence[PersonsResult], names: _Names, unicode: bool) -> Iterator[str]:
    """The mean by session of every selector but the first, whose mean over all sessions is the level."""
    if len(results[0].sessions) < 2:
        return
    for result in results[1:]:
        values = [one.score.numbers() for one in _some(result.sessions)]
        labels = [str(one.session) for one in _some(result.sessions)]
        intervals = [(low, high) for _, low, high, _ in values]
        level = results[0].score.value
        yield ""
        yield f"{names[result.selector]}, mean by session; the line is {names[results[0].selector]}"
        yield from text_plot(labels, [one[0] for one in values], intervals, level, 7, unicode=unicode)


def _some(all_of_them: Sequence[_T]) -> Sequence[_T]:
    """As many as a line holds, the first and the last among them."""
    if len(all_of_them) <= _MOST:
        return all_of_them
    return [all_of_them[round(place * (len(all_of_them) - 1) / (_MOST - 1))] for place in range(_MOST)]
