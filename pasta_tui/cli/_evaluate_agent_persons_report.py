"""The comparison of agents over many sessions as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.persons import Foresight, PersonsResult, SessionResult
from pasta_core.evaluation.text_plot import text_plot

__all__ = ["document", "table"]

_ENOUGH = (100, 10)
"""Persons and sessions of each from which a number is more than a first look."""
_FIRST_LOOK = f" (a first look: {_ENOUGH[0]} x {_ENOUGH[1]} make a claim)"
_MOST = 12
"""Sessions in a line of a table."""


def document(result: PersonsResult, folder: Path) -> dict[str, Any]:
    """One selector's result as JSON types (docs/json.md); `folder` holds its persons."""
    return {
        "selector": result.selector,
        **_named("mean", result.score, "ci95"),
        "n": result.score.n,
        **_named("gap_closed", result.gap_closed),
        "ceiling": result.ceiling,
        "turns": [{"turn": turn, **_named("value", one, "ci95")} for turn, one in enumerate(result.turns, 1)],
        **_foresight(result.foresight),
        "foreseen": _foresight(result.foreseen) if result.foreseen.accuracy.n else None,
        "sessions": [_session(one) for one in result.sessions],
        "against": {
            name: {**_named("difference", one.difference, "ci95"), **_named("of_gap", one.of_gap)}
            for name, one in result.against.items()
        },
        "regained": [one.value for one in result.regained],
        "regained_ci95": [None if one.ci95 is None else list(one.ci95) for one in result.regained],
        "data": str(folder),
    }


def _session(one: SessionResult) -> dict[str, Any]:
    over: tuple[Metric | None, ...] = one.over_floor or (None,) * len(one.turns)
    return {
        "session": one.session,
        **_named("mean", one.score, "ci95"),
        **_named("gap_closed", one.gap_closed),
        "turns": [
            {"turn": turn, **_named("value", value, "ci95"), **_named("over_random", more)}
            for turn, (value, more) in enumerate(zip(one.turns, over, strict=True), 1)
        ],
        **_foresight(one.foresight),
    }


def _foresight(one: Foresight) -> dict[str, Any]:
    found = {**_named("log_likelihood", one.log_likelihood), **_named("accuracy", one.accuracy)}
    return found | {
        "chance_log_likelihood": one.log_likelihood.chance,
        "chance_accuracy": one.accuracy.chance,
    }


def _named(name: str, metric: Metric | None, interval: str | None = None) -> dict[str, Any]:
    """A metric's value and its interval, as NAME and NAME_ci95 or what `interval` says."""
    ends = None if metric is None or metric.ci95 is None else list(metric.ci95)
    return {name: None if metric is None else metric.value, interval or f"{name}_ci95": ends}


def table(
    results: Sequence[PersonsResult], persons: int, users: str, reward: str, unicode: bool
) -> Iterator[str]:
    """The whole comparison, a line each."""
    sessions = len(results[0].sessions)
    few = "" if persons >= _ENOUGH[0] and sessions >= _ENOUGH[1] else _FIRST_LOOK
    yield f"{persons} persons x {sessions} sessions{few}, {users}, {reward} reward, 95 % intervals"
    yield ""
    width = max(len("selector"), *(len(one.selector) for one in results))
    yield f"{'selector':{width}}  {'mean':>18}  {'gap closed':>18}  {'log chance':>20}  {'foreseen':>14}"
    for one in results:
        seen = one.foresight
        cells = (_said(one.score), _said(one.gap_closed, 100))
        line = "  ".join(f"{cell:>18}" for cell in cells)
        line += f"  {_said(seen.log_likelihood):>20}  {_said(seen.accuracy, 100):>14}"
        yield f"{one.selector:{width}}  {line}"
    if results[0].ceiling is not None:
        yield f"gap closed in %, from random to {results[0].ceiling}"
    seen = results[0].foresight
    log, accuracy = seen.log_likelihood.chance or 0, 100 * (seen.accuracy.chance or 0)
    yield f"picks as a taste that follows along foresaw them; guessing has {log:.2f} and {accuracy:.0f} %"
    yield from _by_session("mean by session", results, width, lambda one: one.score, 1)
    if results[0].ceiling is not None:
        yield from _by_session("gap closed by session, %", results, width, lambda one: one.gap_closed, 100)
    for number in sorted({1, sessions}):
        yield from _by_turn(number, results, width)
    yield from _foreseen(results, width)
    yield from _rivals(results, width)
    yield from _regained(results, width)
    yield from _curves(results, unicode)


def _by_session(
    title: str,
    results: Sequence[PersonsResult],
    width: int,
    metric: Callable[[SessionResult], Metric],
    times: float,
) -> Iterator[str]:
    column = max(width, len(title))
    yield ""
    yield f"{title:{column}}  " + "  ".join(f"{one.session:>6}" for one in _some(results[0]))
    for result in results:
        numbers = (metric(one).value for one in _some(result))
        cells = ("-" if one is None else f"{times * one:.{2 if times == 1 else 0}f}" for one in numbers)
        yield f"{result.selector:{column}}  " + "  ".join(f"{cell:>6}" for cell in cells)


def _by_turn(session: int, results: Sequence[PersonsResult], width: int) -> Iterator[str]:
    title = f"value by turn, session {session}"
    column = max(width, len(title))
    yield ""
    yield f"{title:{column}}  " + "  ".join(f"{turn:>6}" for turn in range(1, len(results[0].turns) + 1))
    for result in results:
        turns = result.sessions[session - 1].turns
        yield f"{result.selector:{column}}  " + "  ".join(f"{one.value or 0:6.2f}" for one in turns)


def _foreseen(results: Sequence[PersonsResult], width: int) -> Iterator[str]:
    """What the selectors' own values of prompts foresaw, before anything was painted."""
    told = [one for one in results if one.foreseen.accuracy.n]
    if told:
        yield ""
        yield f"{'foreseen from prompts alone':{max(width, 27)}}  {'log chance':>20}  {'foreseen':>14}"
    for one in told:
        seen = one.foreseen
        cells = f"{_said(seen.log_likelihood):>20}  {_said(seen.accuracy, 100):>14}"
        yield f"{one.selector:{max(width, 27)}}  {cells}"


def _rivals(results: Sequence[PersonsResult], width: int) -> Iterator[str]:
    """Every pair once, the later one against the earlier."""
    yield ""
    yield f"{'paired':{2 * width + 9}}  {'difference':>18}  {'of the gap, %':>18}"
    for place, result in enumerate(results):
        for other in results[:place]:
            one = result.against[other.selector]
            names = f"{result.selector} against {other.selector}"
            cells = f"{_said(one.difference):>18}  {_said(one.of_gap, 100):>18}"
            yield f"{names:{2 * width + 9}}  {cells}"


def _regained(results: Sequence[PersonsResult], width: int) -> Iterator[str]:
    told = [one for one in results if any(share.value is not None for share in one.regained)]
    if told:
        yield ""
        yield "gap closed in the sessions since tastes changed, % of what it was just before"
    for one in told:
        cells = (_said(share, 100) for share in one.regained)
        yield f"{one.selector:{width}}  " + "  ".join(f"{cell:>15}" for cell in cells)


def _curves(results: Sequence[PersonsResult], unicode: bool) -> Iterator[str]:
    """The mean by session of every selector but the first, whose mean over all sessions is the level."""
    if len(results[0].sessions) < 2:
        return
    for result in results[1:]:
        values = [one.score.numbers() for one in _some(result)]
        labels = [str(one.session) for one in _some(result)]
        intervals = [(low, high) for _, low, high, _ in values]
        level = results[0].score.value
        yield ""
        yield f"{result.selector}, mean by session; the line is {results[0].selector}"
        yield from text_plot(labels, [one[0] for one in values], intervals, level, 7, unicode=unicode)


def _some(result: PersonsResult) -> Sequence[SessionResult]:
    """As many sessions as a line holds, the first and the last among them."""
    sessions = result.sessions
    if len(sessions) <= _MOST:
        return sessions
    return [sessions[round(place * (len(sessions) - 1) / (_MOST - 1))] for place in range(_MOST)]


def _said(metric: Metric, times: float = 1.0) -> str:
    if metric.value is None or metric.ci95 is None:
        return "-"
    digits = 2 if times == 1 else 0
    value, low, high = (times * one for one in (metric.value, *metric.ci95))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
