"""The figures of a value model's training: calibration, overestimation, and how errors and values went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.plots import Panel, save_panels

__all__ = ["NAME", "draw_training"]

NAME = "training"
_LABELS = 6
"""At most so many steps are written below an axis."""


def draw_training(folder: Path) -> list[Path]:
    """Draw what `metrics.jsonl` and `calibration.json` in `folder` say, as `training.png` and `training.svg`.

    `PastaError` without matplotlib.
    """
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    panels = [
        _over_steps("TD error", "td_error", lines),
        _over_steps("advantage > 0", "positive_advantage", lines),
        _over_steps("held-out correlation", "held_out_correlation", lines),
        _over_steps("best slate over shown", "best_slate_gain", lines),
        _over_steps("rare words: excess", "rare_excess", lines),
        _over_steps("rare words in best slates", "rare_in_best", lines),
        *_by_turn(lines[-1] if lines else {}),
    ]
    calibration = folder / "calibration.json"
    if calibration.is_file():
        panels.append(_calibration(json.loads(calibration.read_bytes())["bins"]))
    return save_panels([panel for panel in panels if any(one.n for one in panel.metrics)], folder, NAME)


def _over_steps(title: str, key: str, lines: Sequence[Mapping[str, Any]]) -> Panel:
    every = max(1, len(lines) // _LABELS)
    labels = tuple(str(line["step"]) if place % every == 0 else "" for place, line in enumerate(lines))
    return Panel(title, "step", labels, tuple(_bare(line.get(key)) for line in lines))


def _by_turn(line: Mapping[str, Any]) -> Sequence[Panel]:
    return [
        Panel(
            f"{name} by turn",
            "turn",
            tuple(str(turn) for turn in range(1, len(line[key]) + 1)),
            tuple(map(_bare, line[key])),
        )
        for name, key in (("q", "q_by_turn"), ("v", "v_by_turn"))
        if line.get(key)
    ]


def _calibration(bins: Sequence[Mapping[str, float]]) -> Panel:
    """The realised return over the predicted one; the dashed line is where both are equal."""
    metrics = tuple(
        Metric(
            one["realised"],
            (one["realised"] - 1.96 * one["error"], one["realised"] + 1.96 * one["error"]),
            one["predicted"],
            int(one["transitions"]),
        )
        for one in bins
    )
    return Panel("realised return", "predicted", tuple(f"{one['predicted']:.1f}" for one in bins), metrics)


def _bare(value: float | None) -> Metric:
    return NOTHING if value is None else Metric(value, (value, value), value, 1)
