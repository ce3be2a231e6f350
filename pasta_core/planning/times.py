"""How long a turn takes on a machine: as it was measured there, else estimated from data sheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pasta_core.planning.arrangement import Arrangement
from pasta_core.planning.machine import Machine
from pasta_core.planning.needs import Work
from pasta_core.planning.sizes import Sizes
from pasta_core.planning.speeds import cpu_speed, speed_of
from pasta_core.settings import SessionSettings

__all__ = ["Step", "Times", "times_of"]

_BUS = 12.0
"""Gigabytes a second between a machine's memory and its GPU's."""
_STEP = 0.02
"""Seconds that a step takes however small the model is."""
_FASTEST = 1000.0
"""Tokens a second of the smallest language models."""
_READING = 40
"""How many times faster a language model reads tokens than it writes them, one after another."""


@dataclass(frozen=True)
class Step:
    """One step of a turn in seconds, and whether that was measured here."""

    seconds: float
    measured: bool


@dataclass(frozen=True)
class Times:
    """A turn's steps."""

    write: Step | None
    """None where a server writes, whose pace nobody knows before."""
    select: Step | None
    paint: Step
    hand_over: Step | None
    like: str
    """Whose data sheet estimates are from."""

    @property
    def steps(self) -> dict[str, Step]:
        named = {"write": self.write, "select": self.select, "paint": self.paint, "hand over": self.hand_over}
        return {name: step for name, step in named.items() if step is not None}

    @property
    def turn(self) -> Step:
        """All of them; measured only if every one that counts was."""
        steps = list(self.steps.values())
        return Step(sum(step.seconds for step in steps), all(step.measured for step in steps))


def times_of(
    work: Work,
    sizes: Sizes,
    machine: Machine,
    chosen: Arrangement,
    session: SessionSettings,
    measured: Mapping[str, float],
    served: bool = False,
) -> Times:
    """Times of a turn; `measured` are seconds of a candidate, a request, an image and a hand-over."""
    gpu, cpu = speed_of(machine), cpu_speed(machine)
    writer = gpu if machine.has_gpu and machine.writer_on_gpu and chosen.mode != "cpu" else cpu
    pace = min(writer.gigabytes * 1e9 / max(sizes.writer.bytes, 1), _FASTEST)
    value = gpu if machine.has_gpu and chosen.value_on_gpu else cpu
    handed, painter = 0.0, 0.0
    if machine.has_gpu:
        # the painter comes and goes once: before and after painting, or during it where its models are apart
        painter = 2 * 2 * (sizes.painter.unet + sizes.painter.text) / 1e9 / _BUS
        handed = sizes.writer.bytes / 1e9 / _BUS * (chosen.mode == "swap")
        handed += painter * (chosen.park and not chosen.apart)
    images = session.columns * session.images
    return Times(
        write=None
        if served and "write" not in measured
        else _step(
            measured,
            "write",
            session.form.total,
            (work.tokens + work.read / _READING) / pace,
        ),
        select=None
        if not work.valuing
        else _step(measured, "value", 1, work.valuing / (value.tera_flops * 1e12)),
        paint=_step(
            measured,
            "paint",
            images,
            work.painting / (gpu.tera_flops * 1e12) + work.steps * _STEP + painter * chosen.apart,
        ),
        hand_over=_step(measured, "hand over", 1, handed) if handed else None,
        like=gpu.like,
    )


def _step(measured: Mapping[str, float], name: str, units: int, estimate: float) -> Step:
    if name in measured:
        return Step(measured[name] * units, True)
    return Step(estimate, False)
