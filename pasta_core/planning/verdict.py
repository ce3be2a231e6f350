"""A plan in a line or two."""

from __future__ import annotations

from pasta_core.planning.machine import DESKTOP, GIB
from pasta_core.planning.plan import CPU, ELSEWHERE, Plan

__all__ = ["LONG", "duration", "gib", "verdict_of"]

_CARDS = (8, 10, 12, 16, 20, 24, 32, 48, 80)
"""Usual sizes of a GPU's memory, in GiB."""
LONG = 600.0
"""Seconds; a turn that takes longer is not for somebody who waits."""


def gib(size: float) -> str:
    """Bytes in GiB, or in MiB below a tenth of one."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as exact as a plan is."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def verdict_of(plan: Plan) -> tuple[str, ...]:
    """Whether it fits and how; then what is wrong with that, if something is."""
    unused = plan.machine.unused
    return (*_fit(plan), *([f"planned without a GPU: {unused}"] if unused else []))


def _fit(plan: Plan) -> tuple[str, ...]:
    chosen, machine = plan.arrangement, plan.machine
    where = machine.name if machine.has_gpu else "the CPU"
    if not chosen.fits:
        needed = f"it needs {gib(chosen.peak)}, and {gib(chosen.room)} are free"
        return (f"{plan.profile} does not fit {where}: {needed}", _remedy(plan))
    taken = f"{gib(chosen.peak)} of {gib(chosen.room)}"
    lines = [f"{plan.profile} fits {where} ({taken}): {_how(plan)}"]
    turn = plan.times.turn
    if turn.seconds > LONG:
        about = "" if turn.measured else "about "
        lines.append(f"a turn takes {about}{duration(turn.seconds)}: {_faster(plan)}")
    return tuple(lines)


def _how(plan: Plan) -> str:
    chosen = plan.arrangement
    if not plan.machine.has_gpu:
        extra = ", the language model leaves while images are painted" if chosen.mode == "swap" else ""
        return f"everything runs on the CPU{extra}"
    words = {
        "resident": "language model and painter stay on the GPU",
        "swap": "language model and painter take turns on the GPU"
        if chosen.park
        else "the language model leaves the GPU while images are painted",
        "cpu": "the language model runs on the CPU",
    }[chosen.mode]
    if any(part.role == "writer" and part.lives == ELSEWHERE for part in plan.parts):
        words = f"the language model is elsewhere{'' if chosen.apart else ', the painter stays on the GPU'}"
    elif not plan.machine.writer_on_gpu:
        words = "the language model runs on the CPU, as llama.cpp was built without a GPU"
    if chosen.apart:
        words += ", the painter's text encoders leave the GPU before it paints"
    if any(part.role == "value model" and part.lives == CPU for part in plan.parts):
        words += ", the value model on the CPU"
    return words


def _remedy(plan: Plan) -> str:
    chosen = plan.arrangement
    if not plan.machine.has_gpu:
        return "choose a profile with smaller models, or let another machine paint (--worker)"
    if plan.asked != "auto":
        return "leave --memory out, and what fits is chosen"
    if plan.machine.gpu_bytes - DESKTOP >= chosen.peak:
        taken = gib(plan.machine.gpu_bytes - plan.machine.gpu_free)
        return f"close what else uses the GPU, which takes {taken}, or let another machine paint (--worker)"
    if chosen.painting > chosen.room:
        sizes = [size for size in _CARDS if size * GIB > plan.machine.gpu_bytes]
        larger = next((size for size in sizes if size * GIB - DESKTOP >= chosen.peak), None)
        other = "" if larger is None else f"a GPU of {larger} GB has the room, or "
        return f"painting alone takes {gib(chosen.painting)}: {other}let another machine paint (--worker)"
    return "name a smaller language model in the profile, or one that a server runs (writer.url)"


def _faster(plan: Plan) -> str:
    return "a GPU is what it wants" if not plan.machine.has_gpu else "choose a profile of fewer steps"
