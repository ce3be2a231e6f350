"""How one worker shares its machine between the language model and the painter, as its plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pasta_core.planning.machine import find_machine
from pasta_core.planning.measured import Measurements, profile_key
from pasta_core.planning.plan import Plan, make_plan
from pasta_core.planning.verdict import LONG, verdict_of
from pasta_core.settings import Profile
from pasta_core.worker.gauge import Gauge
from pasta_core.worker.handover import Handover, Parkable
from pasta_core.worker.relay import WriterRelay
from pasta_core.worker.station import Call, Handler

__all__ = ["Sharing", "plan_sharing"]

_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}
"""An environment in which llama.cpp finds no GPU."""


class _Paints(Parkable, Protocol):
    def paint(self, call: Call) -> None: ...


@dataclass(frozen=True)
class Sharing:
    """A worker's plan, and what follows from it."""

    plan: Plan
    gauge: Gauge
    bearable: bool
    """Whether somebody would wait for what this machine's CPU paints."""

    @property
    def swaps(self) -> bool:
        """Whether language model and painter take turns."""
        return self.plan.arrangement.mode == "swap"

    @property
    def writer_environment(self) -> Mapping[str, str]:
        """What the writer process is told beside its own environment."""
        return _NO_GPU if self.plan.arrangement.mode == "cpu" else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know before the first images."""
        slow = self.plan.times.turn.seconds > LONG
        return () if self.plan.arrangement.fits and not slow else ("; ".join(verdict_of(self.plan)),)

    def handlers(self, relay: WriterRelay, models: _Paints) -> tuple[Handler, Handler]:
        """Who answers `write` and `paint`."""
        paint = self.gauge.timed(models.paint, "paint", _images)
        if not self.swaps:
            return relay.write, paint
        park = self.plan.arrangement.park
        took = Handover(relay, models, park=park, took=lambda seconds: self.gauge.took("hand over", seconds))
        return took.write, took.painting(paint)


def plan_sharing(profile: Profile, cache: Path, device: str | None, memory: str) -> Sharing:
    """Plan a worker on this machine, by what was measured here before; `memory` empty means the profile's."""
    machine = find_machine(device)
    measurements, key = Measurements(cache), profile_key(profile)
    seconds = measurements.of(machine.key, key).seconds
    plan = make_plan(profile, machine, memory or profile.memory, seconds=seconds)
    on_cpu = make_plan(profile, find_machine("cpu")) if machine.has_gpu else plan
    gauge = Gauge(measurements, machine.key, key, gpu=machine.has_gpu)
    return Sharing(plan, gauge, on_cpu.times.turn.seconds <= LONG)


def _images(call: Call) -> int:
    return sum(map(len, call.args["seeds"]))
