"""Ways of doing one thing, timed in turn within one run, and what each reached."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pasta_core.errors import PastaError
from tests.bench.gpu_machine import Limits, Machine

PLAIN = "plain"
"""Ways whose names begin so are what the libraries' own documentation does; the others are ours."""


@dataclass(frozen=True)
class Way:
    """A way of doing a part's work.

    `flops` are the products that it asks for, None to count them while it warms up. `bytes` must at least be
    read, its weights once a pass. `weights` lie on the device all the while. `warm` is a shorter call that
    meets the same shapes.
    """

    name: str
    run: Callable[[], object]
    flops: float | None = None
    bytes: float = 0.0
    weights: int = 0
    warm: Callable[[], object] | None = None
    notes: Collection[str] = ()
    """What it said while it ran."""
    marks: Mapping[str, list[float]] = field(default_factory=dict)
    """Seconds from a call's begin to what is named, one a call."""


@dataclass(frozen=True)
class Bench:
    """What every part gets: the machine, its limits, when it should be done, and where its lines go."""

    machine: Machine
    limits: Limits
    deadline: float
    """When the part stops repeating, by `time.monotonic`; every way is measured once at least."""
    end: float
    """When nothing new is begun."""
    report: Callable[[dict[str, Any]], None]
    rounds: int = 15
    """At most so many measurements of a way."""


@dataclass
class _Told:
    """What was seen of a way."""

    way: Way
    flops: float
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def compare(bench: Bench, part: str, ways: Sequence[Way], facts: dict[str, Any]) -> None:
    """Warm every way up, then time all in turn, forth and back, while the budget lasts; reports a line a way.

    A way that does not fit into memory says so, and the others go on. `facts` are the sizes, for every line.
    """

    def refuse(way: Way, why: dict[str, str]) -> None:
        bench.report({"part": part, "way": way.name, **why, **facts})
        bench.machine.tidy()

    running = []
    for way in ways:
        if running and time.monotonic() > bench.end:
            refuse(way, {"skipped": "no time left"})
            continue
        try:
            running.append(_Told(way, _warm(way)))
            for samples in way.marks.values():
                samples.clear()
        except (RuntimeError, PastaError) as error:
            refuse(way, _excuse(error))
    longest = 0.0
    for number in range(bench.rounds):
        begin = time.monotonic()
        if number and begin + longest > bench.deadline:
            break
        for told in running[:: 1 if number % 2 == 0 else -1]:
            try:
                seconds, peak = bench.machine.timed(told.way.run)
            except (RuntimeError, PastaError) as error:
                running.remove(told)
                refuse(told.way, _excuse(error))
                continue
            told.seconds.append(seconds)
            told.peaks += [] if peak is None else [peak]
        longest = max(longest, time.monotonic() - begin)
    _report(bench, part, running, facts)


def _report(bench: Bench, part: str, running: Sequence[_Told], facts: dict[str, Any]) -> None:
    # the first plain way is the documented call; a better one among the others is no less plain
    plain = [told.median for told in running if told.way.name.startswith(PLAIN)]
    than = {"times_faster_than_plain": plain[:1], "times_faster_than_best_plain": plain if plain[1:] else []}
    for told in running:
        line = _figures(bench.limits, told)
        if told.peaks:
            line["peak_gib"] = _round((max(told.peaks) + told.way.weights) / 2**30)
        line |= {name: _round(statistics.median(one)) for name, one in told.way.marks.items() if one}
        if told.way.notes:
            line["notes"] = "; ".join(told.way.notes)
        if not told.way.name.startswith(PLAIN):
            line |= {key: _round(min(times) / told.median) for key, times in than.items() if times}
        bench.report({"part": part, "way": told.way.name, **line, **facts})


def _warm(way: Way) -> float:
    if way.flops is not None:
        (way.warm or way.run)()
        return way.flops
    # the first call pays for what the libraries set up, and counting slows it: it is not timed
    with FlopCounterMode(display=False) as counter:
        way.run()
    return float(counter.get_total_flops())


def _figures(limits: Limits, told: _Told) -> dict[str, Any]:
    floors = {"gemm": told.flops / limits.flops, "copy": told.way.bytes / limits.bytes}
    bound = max(floors, key=lambda name: floors[name])
    return {
        "seconds": _round(told.median),
        "fastest": _round(min(told.seconds)),
        "slowest": _round(max(told.seconds)),
        "repeats": len(told.seconds),
        "tflop": _round(told.flops / 1e12),
        "tflop_per_second": _round(told.flops / told.median / 1e12),
        "floor_seconds": _round(floors[bound]),
        "bound_by": bound,
        "share_of_limit": _round(floors[bound] / told.median),
    }


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _excuse(error: Exception) -> dict[str, str]:
    """Too little memory, or a shape that a library's kernels do not take, is a finding."""
    kind = "does_not_fit" if isinstance(error, torch.OutOfMemoryError) else "does_not_run"
    return {kind: (str(error).strip().splitlines() or [type(error).__name__])[0][:160]}
