"""Painting a turn, 16 images of 4 prompts: our painter beside the pipeline's own call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.settings import PainterProfile
from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_flops import painted_flops
from tests.bench.gpu_machine import Machine
from tests.bench.gpu_sizes import Sizes

PROMPTS = (
    "a lighthouse in a storm, oil on canvas, wide angle, heavy clouds over a dark sea",
    "a fox asleep in a library, soft morning light, watercolour",
    "a market street in the rain at night, neon signs, reflections, photograph",
    "a portrait of an old sailor, weathered face, dramatic side light",
)
COLUMN = 4
"""Images a prompt."""
IMAGES = COLUMN * len(PROMPTS)
SEEDS = tuple(tuple(range(COLUMN * column, COLUMN * (column + 1))) for column in range(len(PROMPTS)))
FIRST, LAST_PREVIEW = "seconds_to_first_images", "seconds_to_last_preview"
LIGHTNING = gpu_models.ASSETS / "painters" / "schedulers" / "lightning.json"


Changes = Mapping[str, Any]
"""Settings of a painter's profile that differ from the part's own."""


def paint(bench: Bench, sizes: Sizes) -> None:
    """SDXL 1.0's 30 steps with guidance."""
    changes: list[Changes] = [{}, {"pass_size": sizes.passes[1]}, {"guidance_until": 0.6}]
    if sizes.compiled:
        changes += [{"compile": True}, {"compile": True, "guidance_until": 0.6}]
    _compare(bench, "paint", _Turn(sizes, sizes.steps, 5.0, sizes.passes[0], None), changes)


def few(bench: Bench, sizes: Sizes) -> None:
    """The 4 steps of a Lightning checkpoint, without guidance, and with previews by TAESDXL."""
    changes: list[Changes] = [{}, {"pass_size": sizes.few_passes[1]}, {"preview": Path("TAESDXL")}]
    if sizes.compiled:
        changes += [{"compile": True}]
    turn = _Turn(sizes, sizes.few_steps, 1.0, sizes.few_passes[0], LIGHTNING)
    _compare(bench, "few", turn, changes)


@dataclass(frozen=True)
class _Turn:
    """What is painted."""

    sizes: Sizes
    steps: int
    guidance: float
    pass_size: int
    scheduler: Path | None

    def pipeline(self, device: torch.device) -> Any:
        return gpu_models.pipeline(self.sizes.full, device, self.sizes.dtype, self.scheduler)

    def profile(self, changes: Changes) -> PainterProfile:
        own = PainterProfile(
            model=Path("random weights"),
            size=self.sizes.pixels,
            steps=self.steps,
            guidance=self.guidance,
            dtype=str(self.sizes.dtype).removeprefix("torch."),
            pass_size=self.pass_size,
        )
        return replace(own, **changes)

    def flops(self, profile: PainterProfile | None = None) -> float:
        """What the turn's images take, previews left out."""
        until = 1.0 if profile is None else profile.guidance_until
        guided = math.ceil(self.steps * until) if self.guidance > 1 else 0
        return IMAGES * painted_flops(self.sizes.full, self.sizes.pixels, self.steps, guided)


def _compare(bench: Bench, part: str, turn: _Turn, changes: Sequence[Changes]) -> None:
    """Ours with each set of changes beside the pipeline's call.

    Each has a pipeline of its own: what one does to its modules must not help the other.
    """
    device = bench.machine.device
    theirs, own = turn.pipeline(device), turn.pipeline(device)
    difference = _difference(turn, own, device)
    compiled = turn.pipeline(device) if any("compile" in one for one in changes) else own
    ways = [_plain(turn, theirs, 1, bench.machine), _plain(turn, theirs, len(PROMPTS), bench.machine)]
    ways += [_ours(turn, compiled if "compile" in one else own, bench.machine, one) for one in changes]
    facts = {
        "images": IMAGES,
        "pixels": turn.sizes.pixels,
        "steps": turn.steps,
        "guidance": turn.guidance,
        "dtype": turn.profile({}).dtype,
        "mean_difference": difference,
    }
    weights = gpu_models.size_of(own.unet, own.vae, own.text_encoder, own.text_encoder_2)
    compare(bench, part, [replace(way, weights=weights) for way in ways], facts)


def _difference(turn: _Turn, pipe: Any, device: torch.device) -> float:
    """By how much of 255 an image of two steps differs on average between the pipeline's call and ours."""
    called = pipe(
        prompt=PROMPTS[0],
        num_inference_steps=2,
        guidance_scale=turn.guidance,
        height=turn.sizes.pixels,
        width=turn.sizes.pixels,
        generator=torch.Generator().manual_seed(0),
    )
    profile = replace(turn.profile({}), steps=2, pass_size=1)
    ((_, _, pixels),) = next(DiffusersPainter(pipe, profile, str(device)).paint(PROMPTS[:1], [[0]]))
    theirs = np.asarray(called.images[0], np.float32)
    return float(f"{np.abs(theirs - pixels).mean():.3g}")


def _plain(turn: _Turn, pipe: Any, prompts: int, machine: Machine) -> Way:
    """`pipe(prompt=[...], num_images_per_prompt=4)` with so many prompts in a call."""
    new = _NewPrompts()
    marks: dict[str, list[float]] = {FIRST: []}

    def call(steps: int, upto: int) -> None:
        written, begin = new(), machine.clock()
        for start in range(0, upto, prompts):
            seeds = [seed for column in SEEDS[start : start + prompts] for seed in column]
            pipe(
                prompt=written[start : start + prompts],
                num_images_per_prompt=COLUMN,
                num_inference_steps=steps,
                guidance_scale=turn.guidance,
                height=turn.sizes.pixels,
                width=turn.sizes.pixels,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            )
            if start == 0:
                marks[FIRST].append(machine.clock() - begin)

    return Way(
        "plain, a call a prompt" if prompts == 1 else "plain, one call",
        lambda: call(turn.steps, len(PROMPTS)),
        turn.flops(),
        gpu_models.size_of(pipe.unet) * turn.steps * len(PROMPTS) / prompts,
        warm=lambda: call(2, prompts),
        marks=marks,
    )


def _ours(turn: _Turn, pipe: Any, machine: Machine, changes: Changes) -> Way:
    profile = turn.profile(changes)
    previewer = _previewer(turn.sizes, machine.device) if profile.preview else None

    def painter(profile: PainterProfile) -> DiffusersPainter:
        return DiffusersPainter(pipe, profile, str(machine.device), previewer=previewer)

    whole, short = painter(profile), painter(replace(profile, steps=2))

    notes: dict[str, None] = {}
    new = _NewPrompts()
    marks: dict[str, list[float]] = {FIRST: [], **({LAST_PREVIEW: []} if previewer else {})}

    def call(painter: DiffusersPainter) -> None:
        begin, seen = machine.clock(), [0.0]

        def preview(column: int, index: int, pixels: Any) -> None:
            seen[0] = machine.clock() - begin

        for number, _ in enumerate(painter.paint(new(), SEEDS, note=notes.setdefault, preview=preview)):
            if number == 0:
                marks[FIRST].append(machine.clock() - begin)
        if previewer:
            marks[LAST_PREVIEW].append(seen[0])

    def warm() -> None:
        whole.settle()
        call(short)

    passes = -(-IMAGES // profile.pass_size)
    return Way(
        ", ".join(["pasta", *(f"{name} {value}" for name, value in changes.items())]),
        lambda: call(whole),
        turn.flops(profile),
        gpu_models.size_of(pipe.unet) * turn.steps * passes,
        warm=warm,
        notes=notes.keys(),
        marks=marks,
    )


class _NewPrompts:
    """The prompts with a number: every turn's are new, and an encoded prompt is remembered."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> list[str]:
        self._number += 1
        return [f"{prompt}, {self._number}" for prompt in PROMPTS]


def _previewer(sizes: Sizes, device: torch.device) -> Any:
    from pasta_core.painter.previewing import Previewer

    return Previewer(gpu_models.made(lambda: gpu_models.tiny_autoencoder(sizes.full), device, sizes.dtype))
