"""Named steps, each kept under the fingerprint of what it rests on, so that nothing is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.files import make_directory, write_atomically
from pasta_core.reproduction.lab import Lab, digest

__all__ = ["Done", "Finding", "Inputs", "Settings", "Step", "Told", "run_steps"]

RESULT = "result.json"
FORMAT = 1


@dataclass(frozen=True)
class Finding:
    """What a step found, as JSON types, and the files (relative to its folder) that later steps read."""

    result: Mapping[str, Any]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """A finished step; `seconds` is how long it took, `before` whether an earlier run did it."""

    name: str
    folder: Path
    fingerprint: str
    result: Mapping[str, Any]
    seconds: float
    before: bool


Settings = Mapping[str, Any]
"""What a step goes by, as JSON types."""

Inputs = Mapping[str, Done]
"""The finished steps that a step needs, by name."""

Work = Callable[[Lab, Path, Inputs], Awaitable[Finding]]
"""Does a step in its folder; where the folder holds a stopped run's work, it goes on from there."""


@dataclass(frozen=True)
class Step:
    """One step; `settings` (JSON types), what it `needs` and the lab's ground decide its result."""

    name: str
    title: str
    settings: Settings
    needs: tuple[str, ...]
    work: Work


@dataclass(frozen=True)
class Told:
    """How the chain goes: step `number` of `total` begins (`done` None) or has ended."""

    number: int
    total: int
    step: Step
    done: Done | None


async def run_steps(
    lab: Lab,
    steps: Sequence[Step],
    out: Path,
    tell: Callable[[Told], None],
    clock: Callable[[], float] = time.monotonic,
) -> Mapping[str, Done]:
    """Do the steps in order, those that an earlier run has finished excepted; returns all of them.

    A step's folder is `NAME-FINGERPRINT` below `out`. Raises what a step raises; the same call then goes on.
    """
    ground = lab.ground()
    finished: dict[str, Done] = {}
    for number, step in enumerate(steps, 1):
        inputs = {name: finished[name] for name in step.needs}
        rests_on = {name: done.fingerprint for name, done in inputs.items()}
        fingerprint = digest([FORMAT, ground, step.name, step.settings, rests_on])
        folder = out / f"{step.name}-{fingerprint[:8]}"
        done = _kept(step, folder, fingerprint)
        if done is None:
            tell(Told(number, len(steps), step, None))
            make_directory(folder)
            begin = clock()
            finding = await step.work(lab, folder, inputs)
            done = Done(step.name, folder, fingerprint, finding.result, clock() - begin, False)
            _keep(step, done, finding)
        finished[step.name] = done
        tell(Told(number, len(steps), step, done))
    return finished


def _keep(step: Step, done: Done, finding: Finding) -> None:
    document = {
        "format": FORMAT,
        "step": step.name,
        "fingerprint": done.fingerprint,
        "settings": step.settings,
        "seconds": round(done.seconds, 3),
        "files": list(finding.files),
        "result": finding.result,
    }
    write_atomically(done.folder / RESULT, json.dumps(document, indent=1).encode() + b"\n")


def _kept(step: Step, folder: Path, fingerprint: str) -> Done | None:
    """What an earlier run kept of a step; None where it is not whole, and the step is done again."""
    try:
        document = json.loads((folder / RESULT).read_bytes())
        whole = document["format"] == FORMAT and document["fingerprint"] == fingerprint
        there = all((folder / name).exists() for name in document["files"])
        result, seconds = dict(document["result"]), float(document["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Done(step.name, folder, fingerprint, result, seconds, True) if whole and there else None
