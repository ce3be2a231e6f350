"""The report's plots, all through `evaluation.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.plots import Panel, save_panels

__all__ = ["draw_agents", "draw_people", "draw_sweep"]

Rows = Sequence[Mapping[str, Any]]


def draw_sweep(found: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Path]:
    """Fig. 3: accuracy and rank correlation over numbers of types."""
    panels = [
        Panel(title, "user types", tuple(found), tuple(_metric(one[key]) for one in found.values()))
        for title, key in (("Pick-a-Pic accuracy", "pickapic_accuracy"), ("HPS Spearman", "hpd_spearman"))
    ]
    return save_panels([panel for panel in panels if _any(panel)], folder, "fig-3-user-types")


def draw_agents(found: Mapping[str, Rows], folder: Path) -> list[Path]:
    """Table F.1: the mean of every agent, the dashed line is `random`."""
    panels = [
        Panel(
            f"{reward} reward",
            "",
            _names(rows),
            tuple(_bar(row, "mean", "ci95", rows) for row in rows),
            False,
        )
        for reward, rows in found.items()
    ]
    return save_panels(panels, folder, "table-f1")


def draw_people(rows: Rows, folder: Path) -> list[Path]:
    """Fig. 5: shares of turns that are better, the same and worse; the dashed line is the first agent."""
    panels = [
        Panel(kind, "", _names(rows), tuple(_bar(row, kind, f"{kind}_ci95", rows) for row in rows), False)
        for kind in ("better", "same", "worse")
    ]
    return save_panels([panel for panel in panels if _any(panel)], folder, "fig-5-people")


def _names(rows: Rows) -> tuple[str, ...]:
    """The agents' names, broken so that they stand beside each other."""
    return tuple(str(row["selector"]).replace(" ", "\n").replace(",", "") for row in rows)


def _bar(row: Mapping[str, Any], key: str, interval: str, rows: Rows) -> Metric:
    if row[key] is None:
        return NOTHING
    return Metric(row[key], tuple(row[interval]), rows[0][key], row["n"])


def _metric(document: Mapping[str, Any]) -> Metric:
    ends = document["ci95"]
    return Metric(document["value"], None if ends is None else tuple(ends), document["chance"], document["n"])


def _any(panel: Panel) -> bool:
    return any(metric.n for metric in panel.metrics)
