"""The machine that a profile runs on in the end: without its GPU where that is full and the CPU will do."""

from __future__ import annotations

from dataclasses import replace

from pasta_core.planning.machine import Machine
from pasta_core.planning.plan import Plan, make_plan
from pasta_core.planning.verdict import LONG, gib
from pasta_core.settings import Profile

__all__ = ["bearable", "settled_machine"]


def bearable(plan: Plan) -> bool:
    """Whether somebody would wait for its turns."""
    return plan.times.turn.seconds <= LONG


def settled_machine(profile: Profile, machine: Machine, asked: str, *, exact: bool = False) -> Machine:
    """The same machine, or without its GPU, for which a profile of small models does not have to wait.

    That is where the models find no room on the GPU, however they share it, and the CPU makes a turn in
    minutes. Who asked for a way to share the GPU gets that or none, and so do passes that are to be `exact`,
    as a CPU rounds otherwise.
    """
    if not machine.has_gpu or asked != "auto" or exact:
        return machine
    chosen = make_plan(profile, machine).arrangement
    if chosen.fits:
        return machine
    needed = f"{machine.name} has {gib(chosen.room)} free, and {gib(chosen.peak)} are needed"
    without = replace(machine, name="cpu", gpu_bytes=0, gpu_free=0, driver="", writer_on_gpu=False)
    instead = make_plan(profile, without)
    return replace(without, unused=needed) if instead.arrangement.fits and bearable(instead) else machine
