"""The plan of a profile on a machine: its parts, where each lives, what they take, and the time of a turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pasta_core.planning.arrangement import Arrangement, Needs, arrange
from pasta_core.planning.machine import Machine
from pasta_core.planning.needs import (
    clip_bytes,
    dtype_bytes,
    painter_bytes,
    painting_bytes,
    value_bytes,
    work_of,
    writer_bytes,
)
from pasta_core.planning.sizes import Sizes, sizes_of
from pasta_core.planning.times import Times, times_of
from pasta_core.settings import Profile, SessionSettings

__all__ = ["CPU", "ELSEWHERE", "GPU", "TURNS", "PartPlan", "Plan", "make_plan"]

GPU, CPU, TURNS, ELSEWHERE = "GPU", "CPU", "GPU in turns", "elsewhere"


@dataclass(frozen=True)
class PartPlan:
    """One row of the plan."""

    role: str
    weights: int
    """Bytes of its weights in memory."""
    needs: int
    """With what it takes to use them."""
    lives: str
    known: bool = True
    """Whether its file was here to be looked at."""


@dataclass(frozen=True)
class Plan:
    """Where a profile's models will live on a machine, and what that means."""

    profile: str
    machine: Machine
    arrangement: Arrangement
    asked: str
    """The mode that was asked for, `auto` where none was."""
    parts: tuple[PartPlan, ...]
    times: Times


def make_plan(
    profile: Profile,
    machine: Machine,
    asked: str = "auto",
    session: SessionSettings | None = None,
    seconds: Mapping[str, float] | None = None,
    slots: int = 1,
    *,
    exact: bool = False,
) -> Plan:
    """Plan a profile on a machine without loading anything; `seconds` are measured ones (`measured`).

    `slots` texts are written side by side. `exact` passes are of the profile's size or none.
    """
    sizes = sizes_of(profile)
    needs = _needs(profile, sizes, slots, halves=machine.has_gpu and not exact, gpu=machine.has_gpu)
    served = bool(profile.writer.url)
    chosen = arrange(needs, machine, asked, served=served)
    shape = session or profile.session
    work = work_of(profile, sizes, shape)
    times = times_of(work, sizes, machine, chosen, shape, seconds or {}, served)
    rows = tuple(_rows(profile, sizes, machine, chosen, slots))
    return Plan(profile.name, machine, chosen, asked, rows, times)


def _needs(profile: Profile, sizes: Sizes, slots: int, *, halves: bool, gpu: bool) -> Needs:
    painter, value = profile.painter, sizes.value
    passes = [painter.pass_size]
    while passes[-1] > 1 and halves:
        passes.append(passes[-1] // 2)
    return Needs(
        writer=0 if profile.writer.url else writer_bytes(sizes.writer, profile, slots),
        painter=painter_bytes(sizes.painter, painter, gpu),
        painting={count: painting_bytes(sizes.painter, painter, gpu, count) for count in passes},
        clip=clip_bytes(sizes.clip, gpu),
        value=0 if value is None else value_bytes(value, gpu),
        encoders=sizes.painter.text * dtype_bytes(painter.dtype, gpu),
    )


def _rows(
    profile: Profile, sizes: Sizes, machine: Machine, chosen: Arrangement, slots: int
) -> Iterator[PartPlan]:
    gpu = machine.has_gpu
    size, painter = sizes.painter, profile.painter
    each = dtype_bytes(painter.dtype, gpu)
    home = TURNS if chosen.park or chosen.apart else GPU if gpu else CPU
    if profile.writer.url:
        yield PartPlan("writer", 0, 0, ELSEWHERE)
    else:
        whole = sizes.writer.bytes + sizes.writer.eyes
        needs = writer_bytes(sizes.writer, profile, slots)
        yield PartPlan("writer", whole, needs, _writer_home(machine, chosen), sizes.writer.known)
    yield PartPlan("text encoders", size.text * each, size.text * each, home, size.known)
    yield PartPlan("UNet", size.unet * each, size.unet * each, home, size.known)
    decoder = size.vae * (4 if size.decode_wide else each)
    yield PartPlan("autoencoder", decoder, decoder, home, size.known)
    needs = painting_bytes(size, painter, gpu, chosen.images)
    yield PartPlan(f"painting {chosen.images} at a time", 0, needs, GPU if gpu else CPU, size.known)
    clip = clip_bytes(sizes.clip, gpu)
    yield PartPlan("CLIP", clip, clip, GPU if gpu else CPU, sizes.clip_known)
    if sizes.user:
        yield PartPlan("user model", 4 * sizes.user, 4 * sizes.user, CPU)
    if sizes.value is not None:
        on_gpu = chosen.value_on_gpu and gpu
        weights = sizes.value.values * (2 if on_gpu else 4)
        needs = value_bytes(sizes.value, on_gpu)
        yield PartPlan("value model", weights, needs, GPU if on_gpu else CPU, sizes.value.known)


def _writer_home(machine: Machine, chosen: Arrangement) -> str:
    if not machine.has_gpu or not machine.writer_on_gpu or chosen.mode == "cpu":
        return CPU
    return TURNS if chosen.mode == "swap" else GPU
