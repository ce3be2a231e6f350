"""A whole data set of planted ratings: its raters, its pictures, its labels, and the truth beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from pasta_core.domain import Painter
from pasta_core.files import write_atomically
from pasta_core.microworld.ratings import hpd, pickapic, sac, study
from pasta_core.microworld.ratings.answers import Panel
from pasta_core.microworld.ratings.order import Order
from pasta_core.microworld.ratings.pool import Report, paint_pool
from pasta_core.microworld.ratings.population import Population

__all__ = ["TRUTH", "build_ratings", "fingerprint"]

_LABELLED: Mapping[str, ModuleType] = {"pickapic": pickapic, "hpd": hpd, "sac": sac}
TRUTH = "truth.json"
"""Beside the data: which planted rater hides behind each name. No reader looks at it."""


async def build_ratings(
    order: Order, models: study.StudyModels, assets: Path, work: Path, out: Path, report: Report
) -> Population:
    """Write a data set of planted ratings into `out`, images included, and the truth beside it.

    Pictures and sessions are kept in `work` as they come, so a stopped run goes on where it was; the result
    is the same. Raises what the models raise.
    """
    population = Population.sample(order.population, order.raters, order.test_raters, order.seed, assets)
    if order.format == "pasta":
        folder = work / f"study-{order.population}-{order.seed}-{_digest(models.settings)}"
        finished = await study.run_study(population, models, order.seed, folder, report)
        names = study.write(population, finished, out)
    else:
        names = await _labelled(order, population, models.painter, work, out, report)
    truth = {"format": order.format, **population.truth(names)}
    write_atomically(out / TRUTH, json.dumps(truth, indent=1).encode())
    return population


async def _labelled(
    order: Order, population: Population, painter: Painter, work: Path, out: Path, report: Report
) -> dict[str, str]:
    layout = _LABELLED[order.format]
    plans = layout.plans(population, order.labels, order.images, order.seed)
    total, before = sum(plan.images for plan in plans), 0
    panels = {}
    for plan in plans:
        pool = await paint_pool(plan, painter, work / "pools", _shifted(report, before, total))
        panels[plan.split] = Panel(pool, population.sheet, population.eyes)
        before += plan.images
    names: dict[str, str] = layout.write(population, panels, order.labels, order.seed, out)
    return names


def _shifted(report: Report, before: int, total: int) -> Report:
    """Report one pool's progress as that of all."""
    return lambda done, _: report(before + done, total)


def fingerprint(*models: Path) -> str:
    """What tells one set of model files from another: their names, sizes and times."""
    files = [path for model in models for path in ([model] if model.is_file() else sorted(model.rglob("*")))]
    return _digest([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files])


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
