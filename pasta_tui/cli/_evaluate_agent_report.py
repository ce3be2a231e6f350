"""The comparison of agents as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.evaluation.agent import AgentResult, TurnResult
from pasta_core.evaluation.metric import Metric
from pasta_tui.cli._metric_words import said
from pasta_tui.cli._selector_words import legend, short_names

__all__ = ["document", "table"]

_ENOUGH = 300
"""Paired trajectories from which a number is more than a first look."""
_LONGEST = 16
"""Letters of a selector's name in a table."""


def document(result: AgentResult, folder: Path) -> dict[str, Any]:
    """One selector's result as JSON types; `folder` holds its trajectories."""
    return {**result.as_json(), "data": str(folder)}


def table(results: Sequence[AgentResult], trajectories: int, reward: str) -> Iterator[str]:
    """The whole comparison, a line each, in 80 columns as long as sessions have five turns."""
    names = short_names([result.selector for result in results], _LONGEST)
    width = max(len("selector"), *map(len, names.values()))
    few = "" if trajectories >= _ENOUGH else f" (a first look: {_ENOUGH} make a claim)"
    yield f"{trajectories:,} paired trajectories{few}, {reward} reward, 95 % intervals"
    yield from legend(names)
    yield ""
    yield f"{'selector':{width}}  {'mean':>20}  {'gap closed, %':>16}  better  same  worse"
    for result in results:
        shares = "  ".join(
            f"{_percent(one):>{size}}"
            for one, size in ((result.better, 6), (result.same, 4), (result.worse, 5))
        )
        name = f"{names[result.selector]:{width}}"
        yield f"{name}  {said(result.score):>20}  {said(result.gap_closed, 100):>16}  {shares}"
    if any(result.ceiling for result in results):
        yield f"gap closed: from random to {results[0].ceiling}"
    yield from _by_turn(results, names, width)
    yield from _duels(results, names, width)


def _by_turn(results: Sequence[AgentResult], names: Mapping[str, str], width: int) -> Iterator[str]:
    """The value of every turn, and how it compares with the turn before (Fig. 5)."""
    heads = "".join(f"{turn.turn:>10}" for turn in results[0].turns)
    yield ""
    yield f"{'by turn':{width}}{heads}"
    yield "value"
    for result in results:
        values = "".join(f"{turn.value.value or 0:10.2f}" for turn in result.turns)
        yield f"{names[result.selector]:{width}}{values}"
    if len(results[0].turns) < 2:
        return
    yield "better/same/worse than the turn before, %"
    for result in results:
        cells = (_shares(turn) for turn in result.turns)
        yield f"{names[result.selector]:{width}}" + "".join(f"{cell:>10}" for cell in cells)


def _shares(turn: TurnResult) -> str:
    told = [one.value for one in (turn.better, turn.same, turn.worse)]
    return "/".join("-" if value is None else f"{100 * value:.0f}" for value in told) if turn.better.n else ""


def _duels(results: Sequence[AgentResult], names: Mapping[str, str], width: int) -> Iterator[str]:
    """Every pair once, the later one against the earlier."""
    yield ""
    yield "paired; preferred: whose final images are, of pairs that are no tie"
    yield f"{'selector':{width}}  {'against':{width}}  {'difference':>20}  {'preferred, %':>14}  ties"
    for place, result in enumerate(results):
        for other in results[:place]:
            duel = result.against[other.selector]
            pair = f"{names[result.selector]:{width}}  {names[other.selector]:{width}}"
            yield f"{pair}  {said(duel.difference):>20}  {said(duel.wins, 100):>14}  {duel.ties:4}"


def _percent(metric: Metric) -> str:
    return "-" if metric.value is None else f"{100 * metric.value:.0f} %"
