"""One reproduction from its first step to its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pasta_core.evaluation.plots import require_matplotlib
from pasta_core.reproduction.chain import chain
from pasta_core.reproduction.lab import Lab
from pasta_core.reproduction.report import write_report
from pasta_core.reproduction.steps import Done, Told, run_steps

__all__ = ["Reproduction", "reproduce"]

STEPS = "steps"


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    report: Path
    steps: Mapping[str, Done]


async def reproduce(lab: Lab, out: Path, tell: Callable[[Told], None]) -> Reproduction:
    """Do every step that an earlier run has not finished, and write the report.

    `out` is the folder that was taken for this process (`begun.begun_in`). The same lab and folder give the
    same report, however often it was stopped or killed on the way. Raises what a step raises.
    """
    require_matplotlib()
    try:
        done = await run_steps(lab, chain(lab.scale, lab.settings, lab.paths.assets), out / STEPS, tell)
    finally:
        await lab.worker.close()
    report = await lab.in_thread(lambda stop: write_report(out, lab, done))
    return Reproduction(report, done)
