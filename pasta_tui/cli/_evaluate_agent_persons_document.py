"""The comparison of agents over many sessions as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.persons import Foresight, PersonsResult, SessionResult
from pasta_core.evaluation.persons_bars import Bar

__all__ = ["bar_document", "document"]


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


def bar_document(one: Bar) -> dict[str, Any]:
    """One bar as JSON types."""
    return {
        "selector": one.selector,
        "bar": one.what,
        "session": one.session,
        "turn": one.turn,
        "against": one.rival,
        "least": one.least,
        "whole_interval": one.surely,
        **_named("value", one.found, "ci95"),
        "met": one.met,
        "open": list(one.reasons),
    }


def _session(one: SessionResult) -> dict[str, Any]:
    over: tuple[Metric | None, ...] = one.over_floor or (None,) * len(one.turns)
    return {
        "session": one.session,
        **_named("mean", one.score, "ci95"),
        **_named("over_random", one.gain),
        **_named("gap_closed", one.gap_closed),
        "turns": [
            {
                "turn": turn,
                **_named("value", value, "ci95"),
                **_named("over_random", more),
                **_named("gap_closed", gap),
            }
            for turn, (value, more, gap) in enumerate(zip(one.turns, over, one.turn_gaps, strict=True), 1)
        ],
        **_foresight(one.foresight),
    }


def _foresight(one: Foresight) -> dict[str, Any]:
    return {
        **_named("log_likelihood", one.log_likelihood),
        **_named("accuracy", one.accuracy),
        **_named("said", one.said),
        "chance_log_likelihood": one.log_likelihood.chance,
        "chance_accuracy": one.accuracy.chance,
    }


def _named(name: str, metric: Metric | None, interval: str | None = None) -> dict[str, Any]:
    """A metric's value and its interval, as NAME and NAME_ci95 or what `interval` says."""
    ends = None if metric is None or metric.ci95 is None else list(metric.ci95)
    return {name: None if metric is None else metric.value, interval or f"{name}_ci95": ends}
