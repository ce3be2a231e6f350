"""Selectors over sessions and turns as figures: one line each, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.persons import PersonsResult
from pasta_core.evaluation.plots import save_figure

__all__ = ["save_persons"]

_BY_TURN, _BY_SESSION = "persons-by-turn", "persons-by-session"


@dataclass(frozen=True)
class _View:
    """One panel: what it shows of a selector, over positions that count from 1."""

    title: str
    axis: str
    metrics: Callable[[PersonsResult], Sequence[Metric]]
    chance: bool = False
    """Whether guessing has a level of its own."""


def save_persons(results: Sequence[PersonsResult], folder: Path) -> list[Path]:
    """Draw `persons-by-turn` and `persons-by-session`, each as PNG and SVG; the same numbers give the same
    bytes. `PastaError`.
    """
    figures = ((_BY_TURN, _by_turn(results)), (_BY_SESSION, _by_session()))
    return [path for name, views in figures for path in _save(name, views, results, folder)]


def _save(name: str, views: Sequence[_View], results: Sequence[PersonsResult], folder: Path) -> list[Path]:
    """One figure of all views that something was measured for."""
    views = [view for view in views if any(one.n for one in _all(view, results))]

    def draw(figure: Any) -> None:
        for view, axes in zip(views, figure.subplots(1, len(views), squeeze=False)[0], strict=True):
            _draw(view, results, axes)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)

    return save_figure(draw, (4.6 * len(views), 3.6), folder, name)


def _by_turn(results: Sequence[PersonsResult]) -> list[_View]:
    last = len(results[0].sessions)
    views = [
        _View("reward in session 1", "turn", lambda one: one.sessions[0].turns),
        _View("gap closed in session 1", "turn", lambda one: one.sessions[0].turn_gaps),
    ]
    if last > 1:
        views.append(_View(f"reward in session {last}", "turn", lambda one: one.sessions[-1].turns))
    return views


def _by_session() -> list[_View]:
    return [
        _View("reward", "session", lambda one: [it.score for it in one.sessions]),
        _View("gap closed", "session", lambda one: [it.gap_closed for it in one.sessions]),
        _View("picks foreseen", "session", lambda one: [it.foresight.accuracy for it in one.sessions], True),
    ]


def _all(view: _View, results: Sequence[PersonsResult]) -> list[Metric]:
    return [metric for result in results for metric in view.metrics(result)]


def _draw(view: _View, results: Sequence[PersonsResult], axes: Any) -> None:
    count = len(view.metrics(results[0]))
    for number, result in enumerate(results):
        measured = [(place, *one.numbers()) for place, one in enumerate(view.metrics(result), 1) if one.n]
        places, values, lows, highs, chances = np.array(measured).reshape(-1, 5).T
        # side by side, so that intervals don't hide one another
        shift = 0.06 * (number - (len(results) - 1) / 2)
        errors = [values - lows, highs - values]
        looks = {"fmt": "o-", "markersize": 3, "capsize": 2, "linewidth": 1, "label": result.selector}
        axes.errorbar(places + shift, values, errors, **looks)
        if view.chance and not number:
            axes.plot(places, chances, linestyle="--", linewidth=0.8, color="grey")
    axes.set_xticks(range(1, count + 1))
    axes.set_xlabel(view.axis)
    axes.set_title(view.title)
    axes.grid(axis="y", linewidth=0.3)
