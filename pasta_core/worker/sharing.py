"""How one worker shares its machine between the language model and the painter, as its plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pasta_core.planning.machine import find_machine
from pasta_core.planning.measured import Measurements, profile_key
from pasta_core.planning.plan import Plan, make_plan
from pasta_core.planning.settled import bearable, settled_machine
from pasta_core.planning.verdict import verdict_of
from pasta_core.settings import Profile
from pasta_core.worker.gauge import Gauge
from pasta_core.worker.handover import Handover, Parkable
from pasta_core.worker.relay import WriterRelay
from pasta_core.worker.station import Call, Handler

__all__ = ["Sharing", "plan_sharing"]

_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}
"""An environment in which llama.cpp does not even look at most GPUs."""


class _Paints(Parkable, Protocol):
    def paint(self, call: Call) -> None: ...


@dataclass(frozen=True)
class Sharing:
    """A worker's plan, and what follows from it."""

    plan: Plan
    gauge: Gauge
    bearable: bool
    """Whether somebody would wait for what this machine's CPU paints."""
    wanted: int
    """Images that are to be painted at a time."""
    writes_on_cpu: bool
    """Whether the language model is kept off every GPU."""
    device: str | None = None
    """The torch device that is asked for, None for the best there is."""
    given_up: bool = False
    """Whether that is the CPU because the GPU is full."""

    @property
    def swaps(self) -> bool:
        """Whether language model and painter take turns."""
        return self.plan.arrangement.mode == "swap"

    @property
    def writer_environment(self) -> Mapping[str, str]:
        """What the writer process is told beside its own environment."""
        return _NO_GPU if self.writes_on_cpu else {}

    @property
    def writer_options(self) -> tuple[str, ...]:
        """The same on its command line."""
        return ("--no-gpu",) if self.writes_on_cpu else ()

    @property
    def pass_size(self) -> int:
        """Images at a time that leave a GPU room for all else."""
        return self.plan.arrangement.images

    @property
    def missed(self) -> str:
        """Why PyTorch can have found no GPU, in one line (`worker.devices`); "" where none was asked for or
        is known to be there."""
        machine = self.plan.machine
        return machine.missed or (machine.unused if self.device is not None else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know before the first images."""
        fine = self.plan.arrangement.fits and bearable(self.plan) and not self.given_up
        said = () if fine else ("; ".join(verdict_of(self.plan)),)
        fewer = f"memory holds {self.pass_size} images at a time, not {self.wanted}"
        return (*said, fewer) if self.pass_size < self.wanted else said

    def handlers(self, relay: WriterRelay, models: _Paints) -> tuple[Handler, Handler]:
        """Who answers `write` and `paint`."""
        paint = self.gauge.timed(models.paint, "paint", _images)
        if not self.swaps:
            return relay.write, paint
        park = self.plan.arrangement.park
        took = Handover(relay, models, park=park, took=lambda seconds: self.gauge.took("hand over", seconds))
        return took.write, took.painting(paint)


def plan_sharing(
    profile: Profile, cache: Path, device: str | None, memory: str, slots: int = 1, *, exact: bool = False
) -> Sharing:
    """Plan a worker on this machine, by what was measured here before; `memory` empty means the profile's.

    `slots` and `exact` are those of `make_plan`.
    """
    asked, found = memory or profile.memory, find_machine(device)
    # who names a device gets that or none
    machine = found if device is not None else settled_machine(profile, found, asked, exact=exact)
    given_up = found.has_gpu and not machine.has_gpu
    device = "cpu" if given_up else device

    def planned(seconds: Mapping[str, float]) -> Plan:
        return make_plan(profile, machine, asked, seconds=seconds, slots=slots, exact=exact)

    arrangement = planned({}).arrangement
    measurements, key = Measurements(cache), profile_key(profile, arrangement.sharing, slots)
    plan = planned(measurements.of(machine.key, key).seconds)
    on_cpu = make_plan(profile, find_machine("cpu")) if machine.has_gpu else plan
    return Sharing(
        plan,
        Gauge(measurements, machine.key, key, gpu=machine.has_gpu),
        bearable=bearable(on_cpu),
        wanted=profile.painter.pass_size,
        # a GPU that the plan does not count is not measured either
        writes_on_cpu=arrangement.mode == "cpu" or device == "cpu" or bool(machine.unused),
        device=device,
        given_up=given_up,
    )


def _images(call: Call) -> int:
    return sum(map(len, call.args["seeds"]))
