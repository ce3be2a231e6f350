"""Data sets of planted ratings from the command line: progress, time left, and a stop that loses nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.microworld.ratings.order import Order
from pasta_tui.console.connect import worker_for
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.console.run import run_until_stopped
from pasta_tui.plain.files import usable_directory

__all__ = ["write_ratings"]


def write_ratings(
    order: Mapping[str, Any], flags: Mapping[str, Any], work: Path | None, directory: Path, as_json: bool
) -> None:
    """Build the data set that was asked for, and say how to read it."""
    import platformdirs

    out = Output(os.environ, as_json)
    asked = Order(**order)
    config = configure(flags, os.environ, Path.cwd())
    target = usable_directory(directory)
    folder = work or platformdirs.PlatformDirs("pasta", appauthor=False).user_cache_path / "ratings"
    try:
        made = run_until_stopped(_build(asked, config, folder.absolute(), target, out))
    except Stopped:
        out.message("what was painted is kept; the same command goes on from there")
        raise
    if as_json:
        out.document(made)
        return
    out.data(made["source"])
    out.message(f"look at it with: pasta data check {made['source']}")


async def _build(
    order: Order, config: Configuration, work: Path, target: Path, out: Output
) -> dict[str, Any]:
    """Build with a worker's models; returns what was made (docs/json.md)."""
    from pasta_core.microworld.ratings.build import TRUTH, build_ratings, fingerprint
    from pasta_core.microworld.ratings.study import StudyModels

    worker = worker_for(config, config.profile, out.note)
    models_here = fingerprint(config.profile.painter.model, *config.profile.writer.files)
    folder = work / f"{config.profile.name}-{models_here}"
    counted = "sessions" if order.format == "pasta" else "images"
    try:
        out.progress("starting the models")
        await worker.start()
        models = StudyModels(worker.writer, worker.painter, config.session)
        pace = Pace(out, counted)
        population = await build_ratings(order, models, config.paths.assets, folder, target, pace.report)
    finally:
        out.end_progress()
        await worker.close()
    return {
        "source": f"{order.format}:{target}",
        "raters": {split: len(population.of(split)) for split in ("train", "validation", "test")},
        "raters_sha256": population.sheet.sha256,
        "truth": str(target / TRUTH),
    }
