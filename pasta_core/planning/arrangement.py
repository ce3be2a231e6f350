"""How the models of a profile share a machine: who lives where, and what that takes at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from pasta_core.planning.machine import GIB, Machine

__all__ = ["Arrangement", "Needs", "arrange"]

_TORCH = GIB // 2
"""A GPU's context of PyTorch with its libraries."""
_LLAMA = 2 * GIB // 5
"""The same of llama.cpp."""
_WORKER = 17 * GIB // 20
"""What a worker takes of the machine's own memory before it has loaded a model: its libraries."""
_WRITER = GIB // 20


@dataclass(frozen=True)
class Needs:
    """Bytes that each part takes in memory."""

    writer: int
    painter: int
    painting: Mapping[int, int]
    """What it takes beside its weights to paint so many images at a time."""
    clip: int
    value: int
    encoders: int = 0
    """Of the painter's weights those of its text encoders, which denoising does without."""


@dataclass(frozen=True)
class Arrangement:
    """Who lives where. `mode` is one of `settings.MEMORY`, settled."""

    mode: str
    park: bool
    """Whether the painter leaves the GPU while the language model writes."""
    value_on_gpu: bool
    images: int
    """Painted at a time."""
    writing: int
    """Bytes on the GPU (without one: in all) while the language model writes."""
    painting: int
    """The same while the painter paints."""
    room: int
    """Bytes that there are."""
    worker: int
    """The most that the worker's own process has, as it is measured: on a GPU its tensors, else all of it."""
    writer: int
    """The same of the writer process, with its context of the GPU."""
    apart: bool = False
    """Whether the painter's text encoders and its UNet are on the GPU one after the other."""

    @property
    def sharing(self) -> str:
        """The mode, and what of the painter comes and goes: what its times depend on."""
        return " ".join([self.mode, *["parked"] * self.park, *["apart"] * self.apart])

    @property
    def peak(self) -> int:
        return max(self.writing, self.painting)

    @property
    def fits(self) -> bool:
        return self.peak <= self.room


def arrange(needs: Needs, machine: Machine, asked: str = "auto", *, served: bool = False) -> Arrangement:
    """The first arrangement that fits of those that were asked for, the quickest first; else the smallest."""
    found = list(_arrangements(needs, machine, asked, served))
    return next((one for one in found if one.fits), min(found, key=lambda one: one.peak))


def _arrangements(needs: Needs, machine: Machine, asked: str, served: bool) -> Iterator[Arrangement]:
    sizes = sorted(needs.painting, reverse=True)
    if not machine.has_gpu:
        for mode in ("resident", "swap") if asked == "auto" else (asked,):
            yield _on_cpu(needs, machine, mode, sizes[0])
        return
    # the writer leaves memory to the painter only where it has any of the GPU's
    off = served or not machine.writer_on_gpu
    modes: tuple[tuple[str, bool, bool], ...] = (
        ("resident", False, False),
        ("swap", False, False),
        ("swap", True, False),
        ("swap", True, True),
        ("cpu", False, False),
        ("cpu", False, True),
    )
    if off:
        modes = (("resident", False, False), ("resident", False, True), *modes[1:])
    if asked != "auto":
        modes = tuple(one for one in modes if one[0] == asked)
    elif off:
        modes = modes[:2]
    # half as many images at a time cost less than moving models about, a few at a time cost more
    for some in (sizes[:2], sizes[2:]):
        for on_gpu, (mode, park, apart), images in product((True, False), modes, some):
            yield _on_gpu(needs, machine, mode, park, apart, on_gpu, images, off)


def _on_gpu(
    needs: Needs,
    machine: Machine,
    mode: str,
    park: bool,
    apart: bool,
    value_on_gpu: bool,
    images: int,
    off: bool,
) -> Arrangement:
    painter = max(needs.encoders, needs.painter - needs.encoders) if apart else needs.painter
    seeing = needs.clip + (needs.value if value_on_gpu else 0)
    always = _TORCH + seeing
    writer = 0 if off or mode == "cpu" else needs.writer + _LLAMA
    return Arrangement(
        mode,
        park,
        value_on_gpu,
        images,
        writing=always + writer + (0 if park else painter),
        painting=always + painter + needs.painting[images] + (writer if mode == "resident" else 0),
        room=machine.gpu_free,
        worker=seeing + painter + needs.painting[images],
        apart=apart,
        writer=writer or (_WRITER + needs.writer if needs.writer else 0),
    )


def _on_cpu(needs: Needs, machine: Machine, mode: str, images: int) -> Arrangement:
    stay = _WORKER + needs.painter + needs.clip + needs.value
    writer = _WRITER + needs.writer
    kept = 0 if mode == "swap" else writer
    painting = stay + needs.painting[images] + kept
    worker = stay + needs.painting[images]
    return Arrangement(mode, False, False, images, stay + writer, painting, machine.ram_bytes, worker, writer)
