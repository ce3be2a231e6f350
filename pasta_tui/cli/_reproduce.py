"""A reproduction from the command line: a line a step, and a stop that loses nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.engines.local import worker_options
from pasta_core.reproduction.begun import Begun, begun_in
from pasta_core.reproduction.lab import Lab, Pace, SharedWorker
from pasta_core.reproduction.run import Reproduction, reproduce
from pasta_core.reproduction.scale import FULL, QUICK, Scale
from pasta_core.reproduction.steps import Told
from pasta_core.sessions.provenance import versions
from pasta_core.training.devices import Devices, devices_named
from pasta_tui.console import pace
from pasta_tui.console.connect import worker_for
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.console.run import run_until_stopped
from pasta_tui.console.seeds import checked_seed

__all__ = ["Request", "run_reproduction"]

_WORLD = "micro"
"""The profile: only the microworld has raters whose tastes are known."""


@dataclass(frozen=True)
class Request:
    """What was typed."""

    out: Path
    quick: bool
    seed: int
    changes: Mapping[str, Any]
    device: str | None
    worker: str | None
    as_json: bool


def run_reproduction(request: Request) -> None:
    """Reproduce, or go on; what was finished is kept however it ends."""
    out = Output(os.environ, request.as_json)
    checked_seed(request.seed)
    scale = replace(QUICK if request.quick else FULL, **request.changes)
    config = configure({"profile": _WORLD, "worker": request.worker}, os.environ, Path.cwd())
    target = request.out.expanduser().absolute()
    devices = devices_named(request.device, os.environ)
    made_with = versions() | {"device": str(devices.device), "worker": _worker(config)}
    try:
        with begun_in(target, made_with) as begun:
            for change in begun.changes:
                out.note(f"parts of this reproduction are made with others: {change}")
            lab = _lab(request, config, scale, target, begun, devices, out)
            found = run_until_stopped(reproduce(lab, target, _Teller(out).tell))
    except Stopped:
        out.end_progress()
        out.message("what was finished is kept; the same command goes on from there")
        raise
    finally:
        out.end_progress()
    _tell(found, scale, request, out)


def _worker(config: Configuration) -> str:
    """How a report names the worker: whoever gets it need not learn of other machines."""
    return "a command of one's own" if config.worker else "of this machine"


def _lab(
    request: Request,
    config: Configuration,
    scale: Scale,
    target: Path,
    begun: Begun,
    devices: Devices,
    out: Output,
) -> Lab:
    def paced(what: str) -> Pace:
        return pace.Pace(out, what).report

    return Lab(
        profile=config.profile,
        paths=config.paths,
        session=config.session,
        seed=request.seed,
        scale=scale,
        begun=begun,
        devices=devices,
        worker=SharedWorker(
            lambda: worker_for(config, config.profile, out.note, *worker_options(config.profile))
        ),
        rollouts=target / "rollouts",
        pace=paced,
        note=out.note,
    )


class _Teller:
    """A line when a step begins, and one when it has ended, with how long it took."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def tell(self, told: Told) -> None:
        """Take one report."""
        line = f"{told.number}/{told.total}  {told.step.title}"
        if told.done is None:
            self._out.progress(line)
            return
        self._out.end_progress()
        took = pace.time_left(told.done.seconds)
        self._out.message(f"{line}  {'done before, in ' if told.done.before else ''}{took}")


def _tell(found: Reproduction, scale: Scale, request: Request, out: Output) -> None:
    if not request.as_json:
        out.data(str(found.report))
        return
    out.document(
        {
            "report": str(found.report),
            "scale": scale.settings(),
            "seed": request.seed,
            "steps": [
                {
                    "step": done.name,
                    "fingerprint": done.fingerprint,
                    "folder": str(done.folder),
                    "seconds": round(done.seconds, 3),
                    "before": done.before,
                    "result": dict(done.result),
                }
                for done in found.steps.values()
            ],
        }
    )
