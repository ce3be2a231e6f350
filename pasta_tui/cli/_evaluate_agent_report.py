"""The comparison of agents as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pasta_core.evaluation.agent import AgentResult
from pasta_core.evaluation.metric import Metric

__all__ = ["document", "table"]

_ENOUGH = 300
"""Paired trajectories from which a number is more than a first look."""


def document(result: AgentResult, folder: Path) -> dict[str, Any]:
    """One selector's result as JSON types; `folder` holds its trajectories."""
    return {**result.as_json(), "data": str(folder)}


def table(results: Sequence[AgentResult], trajectories: int, reward: str) -> Iterator[str]:
    """The whole comparison, a line each."""
    width = max(len("selector"), *(len(result.selector) for result in results))
    few = "" if trajectories >= _ENOUGH else f" (a first look: {_ENOUGH} make a claim)"
    yield f"{trajectories:,} paired trajectories{few}, {reward} reward, 95 % intervals"
    yield ""
    yield f"{'selector':{width}}  {'mean':>18}  {'gap closed':>18}  better  same  worse"
    for result in results:
        shares = "  ".join(
            f"{_percent(one):>{size}}"
            for one, size in ((result.better, 6), (result.same, 4), (result.worse, 5))
        )
        name = f"{result.selector:{width}}"
        yield f"{name}  {_said(result.score):>18}  {_said(result.gap_closed, 100):>18}  {shares}"
    if any(result.ceiling for result in results):
        yield f"gap closed in %, from random to {results[0].ceiling}"
    yield ""
    yield f"{'value by turn':{width}}  " + "  ".join(f"{turn.turn:>6}" for turn in results[0].turns)
    for result in results:
        values = "  ".join(f"{turn.value.value or 0:6.2f}" for turn in result.turns)
        yield f"{result.selector:{width}}  {values}"
    yield from _duels(results, width)


def _duels(results: Sequence[AgentResult], width: int) -> Iterator[str]:
    """Every pair once, the later one against the earlier."""
    yield ""
    yield f"{'paired':{2 * width + 9}}  {'difference':>18}  {'final preferred, %':>18}  ties"
    for place, result in enumerate(results):
        for other in results[:place]:
            duel = result.against[other.selector]
            names = f"{result.selector} against {other.selector}"
            wins = _said(duel.wins, 100)
            yield f"{names:{2 * width + 9}}  {_said(duel.difference):>18}  {wins:>18}  {duel.ties:4}"


def _said(metric: Metric, times: float = 1.0) -> str:
    if metric.value is None or metric.ci95 is None:
        return "-"
    digits = 2 if times == 1 else 0
    value, low, high = (times * one for one in (metric.value, *metric.ci95))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _percent(metric: Metric) -> str:
    return "-" if metric.value is None else f"{100 * metric.value:.0f} %"
