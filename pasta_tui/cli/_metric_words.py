"""How measured numbers are written for people."""

from __future__ import annotations

from pasta_core.evaluation.metric import Metric

__all__ = ["said"]


def said(metric: Metric, times: float = 1.0) -> str:
    """A number and its 95 % interval; `times` 100 writes it as whole per cent. "-" where there is none."""
    if metric.value is None or metric.ci95 is None:
        return "-"
    digits = 2 if times == 1 else 0
    value, low, high = (times * one for one in (metric.value, *metric.ci95))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
