"""A plan on the command line: what the parts take, where they live, and how long a turn takes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.planning.machine import Machine, find_machine, imagined
from pasta_core.planning.measured import Measured, Measurements, profile_key
from pasta_core.planning.plan import PartPlan, Plan, make_plan
from pasta_core.planning.settled import settled_machine
from pasta_core.planning.verdict import duration, gib, verdict_of
from pasta_tui.console.output import Output

__all__ = ["plan_here", "show_plan"]

_COLUMNS = (24, 13, 13, 14, 10)


def show_plan(profile: str | None, memory: float | None, as_json: bool) -> None:
    """Print the plan of a profile on this machine, or on one with `memory` GiB on its GPU."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    machine = find_machine() if memory is None else imagined(memory)
    plan, measured = plan_here(config, machine)
    if as_json:
        out.document(_document(plan, measured))
    else:
        _print(plan, measured, out)


def plan_here(config: Configuration, machine: Machine) -> tuple[Plan, Measured]:
    """The plan of the profile in use, and what was measured of it on that machine."""
    profile = config.profile
    if config.compile:
        profile = replace(profile, painter=replace(profile.painter, compile=True))
    asked = config.memory or profile.memory
    machine = settled_machine(profile, machine, asked)
    plan = make_plan(profile, machine, asked, config.session)
    if machine.imagined:
        return plan, Measured()
    found = Measurements(config.paths.cache).of(machine.key, profile_key(profile, plan.arrangement.sharing))
    return make_plan(profile, machine, asked, config.session, found.seconds), found


def _document(plan: Plan, measured: Measured) -> dict[str, Any]:
    machine, chosen, turn = plan.machine, plan.arrangement, plan.times.turn
    return {
        "profile": plan.profile,
        "machine": {
            "name": machine.name,
            "gpu_bytes": machine.gpu_bytes,
            "gpu_free_bytes": machine.gpu_free,
            "memory_bytes": machine.ram_bytes,
            "cpus": machine.cores,
            "driver": machine.driver or None,
            "writer_on_gpu": machine.writer_on_gpu,
            "imagined": machine.imagined,
        },
        "memory": {
            "asked": plan.asked,
            "mode": chosen.mode,
            "painter_leaves": chosen.park,
            "text_encoders_leave": chosen.apart,
            "painted_at_once": chosen.images,
        },
        "parts": [
            {
                "part": part.role,
                "weights_bytes": part.weights,
                "needs_bytes": part.needs,
                "lives": part.lives,
                "known": part.known,
                "measured_bytes": measured.peaks.get(_measured_as(part)),
            }
            for part in plan.parts
        ],
        "peak": {
            "fits": chosen.fits,
            "room_bytes": chosen.room,
            "writing_bytes": chosen.writing,
            "painting_bytes": chosen.painting,
        },
        "processes": [
            {"process": name, "predicted_bytes": predicted, "measured_bytes": measured.peaks.get(name)}
            for name, predicted in (("worker", chosen.worker), ("writer", chosen.writer))
        ],
        "turn": {
            "seconds": turn.seconds,
            "measured": turn.measured,
            "estimated_for": plan.times.like,
            "steps": {
                name: {"seconds": step.seconds, "measured": step.measured}
                for name, step in plan.times.steps.items()
            },
        },
        "verdict": list(verdict_of(plan)),
    }


def _print(plan: Plan, measured: Measured, out: Output) -> None:
    out.data(f"profile {plan.profile} on {_machine(plan.machine)}")
    out.data("")
    out.data(_row("part", "weights", "in use", "lives", "measured"))
    for part in plan.parts:
        mark = "" if part.known else "~"
        weights = f"{mark}{gib(part.weights)}" if part.weights else "-"
        needs = f"{mark}{gib(part.needs)}" if part.needs else "-"
        seen = measured.peaks.get(_measured_as(part))
        out.data(_row(part.role, weights, needs, part.lives, "-" if seen is None else gib(seen)))
    out.data("")
    chosen = plan.arrangement
    out.data(_row("memory at most", "predicted", "measured", ""))
    for name, what, predicted in (
        ("worker", "painter, CLIP, values", chosen.worker),
        ("writer", "language model", chosen.writer),
    ):
        seen = measured.peaks.get(name)
        out.data(_row(what, gib(predicted), "-" if seen is None else gib(seen), ""))
    where = "GPU" if plan.machine.has_gpu else "machine"
    out.data(_row(f"{where} while writing", gib(chosen.writing), "", f"of {gib(chosen.room)}"))
    out.data(_row(f"{where} while painting", gib(chosen.painting), "", f"of {gib(chosen.room)}"))
    out.data("")
    out.data(_row("turn", duration(plan.times.turn.seconds), _source(plan)))
    for name, step in plan.times.steps.items():
        out.data(_row(f"  {name}", duration(step.seconds), "measured" if step.measured else "estimated"))
    out.data("")
    for line in verdict_of(plan):
        out.data(line)
    if not all(part.known for part in plan.parts):
        out.message(
            "~: its file is not here yet, or unreadable; this is what the profile says, or what is usual"
        )


def _measured_as(part: PartPlan) -> str:
    """The name that a part's measurement is kept by: of weights, and of what painting takes.

    Of the writer its whole process is measured, which has a line of its own.
    """
    return "painting" if part.role.startswith("painting ") else "" if part.role == "writer" else part.role


def _row(*cells: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, _COLUMNS, strict=False)).rstrip()


def _machine(machine: Machine) -> str:
    memory = f"{machine.cores} CPU cores, {gib(machine.ram_bytes)} memory"
    if not machine.has_gpu:
        return memory
    imagined_ = ", imagined" if machine.imagined else ""
    return f"{machine.name} ({gib(machine.gpu_free)} of {gib(machine.gpu_bytes)} free{imagined_}), {memory}"


def _source(plan: Plan) -> str:
    times = plan.times
    if times.turn.measured:
        return "measured here"
    some = "partly " if any(step.measured for step in times.steps.values()) else ""
    like = f"data sheet of {times.like}" if plan.machine.has_gpu else times.like
    return f"{some}estimated ({like})"
