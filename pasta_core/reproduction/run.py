"""One reproduction from its first step to its report."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.evaluation.plots import require_matplotlib
from pasta_core.files import make_directory, storing, write_atomically
from pasta_core.reproduction.chain import chain
from pasta_core.reproduction.lab import Lab
from pasta_core.reproduction.report import write_report
from pasta_core.reproduction.steps import Done, Told, run_steps

__all__ = ["Reproduction", "kept_threads", "reproduce"]

_BEGUN = "reproduction.json"
STEPS = "steps"


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    report: Path
    steps: Mapping[str, Done]


def kept_threads(out: Path) -> int:
    """With how many threads the reproduction in `out` was begun; for a new one one a core, kept there.

    Raises `InvalidInput` where `out` holds something else.
    """
    file = out / _BEGUN
    if file.is_file():
        try:
            return int(json.loads(file.read_bytes())["threads"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{file} is damaged", "choose another --out") from error
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} is not an empty folder", "choose another --out")
    make_directory(out)
    threads = len(os.sched_getaffinity(0))
    write_atomically(file, json.dumps({"threads": threads}).encode() + b"\n")
    return threads


async def reproduce(lab: Lab, out: Path, tell: Callable[[Told], None]) -> Reproduction:
    """Do every step that an earlier run has not finished, and write the report.

    The same lab and folder give the same report, however often it was stopped or killed on the way. Raises
    what a step raises.
    """
    require_matplotlib()
    with _alone(out):
        try:
            done = await run_steps(lab, chain(lab.scale, lab.settings, lab.paths.assets), out / STEPS, tell)
        finally:
            await lab.worker.close()
        return Reproduction(write_report(out, lab.scale, lab.seed, lab.settings, done), done)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Take the folder for this process; `StorageError` where another one works in it."""
    path = out / ".lock"
    with storing(path), path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another process is reproducing into {out}", "wait for it, or choose another --out"
            ) from None
        yield
