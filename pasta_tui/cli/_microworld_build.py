"""Training the micro models from the command line: progress, time left, and a stop that loses nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pasta_core.errors import Cancelled
from pasta_core.paths import locate
from pasta_tui.console.output import Output
from pasta_tui.console.pace import time_left
from pasta_tui.console.stopping import StopRequest

__all__ = ["build_models"]


def build_models(
    parts: Sequence[str],
    out: Path | None,
    start: Path | None,
    work: Path | None,
    seed: int,
    device: str | None,
) -> None:
    """Build the named parts (all where none is named); `Cancelled` where it was stopped."""
    import platformdirs

    from pasta_core.evaluation.micro_user_model import build_user_model
    from pasta_core.evaluation.micro_value_model import ValueModelBuild
    from pasta_core.microworld.recipes.build import PARTS, Part, build
    from pasta_core.microworld.recipes.workshop import Workshop

    output = Output(os.environ, False)
    folder = work or platformdirs.PlatformDirs("pasta", appauthor=False).user_cache_path / "build"
    folder.mkdir(parents=True, exist_ok=True)
    stop = StopRequest()
    stop.install()

    def report(part: str, figures: Mapping[str, float]) -> None:
        output.message(_line(part, figures))

    paths = locate(os.environ)
    makers: dict[str, Part] = {**PARTS, "user-model": build_user_model, "value": ValueModelBuild(paths)}
    workshop = Workshop.on(device, folder.absolute(), seed, report, stop)
    build(parts, out or paths.assets / "micro", workshop, start, makers)
    if stop.made:
        raise Cancelled(
            "the build was stopped and its checkpoint kept", "the same command goes on from there"
        )


def _line(part: str, figures: Mapping[str, float]) -> str:
    words = [part, f"{figures['step']:.0f}/{figures['steps']:.0f}"]
    if "loss" in figures:
        words.append(f"loss {figures['loss']:.3f}")
    if "samples_per_second" in figures:
        words.append(f"{figures['samples_per_second']:.0f}/s")
    if "seconds_left" in figures:
        words.append(f"{time_left(figures['seconds_left'])} left")
    return "  ".join(words)
