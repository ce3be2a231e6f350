"""An SDXL pipeline that paints many prompts at once, each image exactly as if it were alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from pasta_core.domain import Pixels, Progress
from pasta_core.painter.compiling import begin_compiling, compile_problem, stop_compiling
from pasta_core.painter.denoising import Denoiser
from pasta_core.painter.loading import dtype_on, load_pipeline
from pasta_core.painter.passes import Job, Watch, jobs_of
from pasta_core.painter.previewing import OnPreview, Previewer, guessed_latents
from pasta_core.painter.prompts import Conditioning, PromptEncoder, stacked
from pasta_core.painter.room import Ledger, OutOfRoom, Room, free_memory, no_room, within_memory
from pasta_core.painter.stages import Stages
from pasta_core.settings import PainterProfile

__all__ = ["DiffusersPainter", "Painted"]

Painted: TypeAlias = tuple[int, int, Pixels]
"""A finished image: its column, its index in the column, and its RGB pixels of shape (size, size, 3)."""

LEDGER = "painter-memory.json"
"""Where in the cache directory it lies how many images fit at a time."""


class DiffusersPainter:
    """Paints with a local `StableDiffusionXLPipeline`.

    The denoising loop is the pipeline's own, with three differences: every pass has the same shape (short
    ones are padded), noise comes from one CPU generator per image, and it can be stopped between steps. So
    an image has the same bytes whatever is painted with it. Passes of another size round differently: there
    the image is the same to the eye, not to the byte.

    `lanes` passes run side by side, each on one CPU thread. Threads inside a pass change float32 results by
    their number (measured: 1 against 2 at 128 and 192 channels), and wait for each other at every operation,
    which on a busy machine costs ten times the work itself.
    """

    def __init__(
        self,
        pipe: StableDiffusionXLPipeline,
        profile: PainterProfile,
        device: str,
        lanes: int = 1,
        *,
        previewer: Previewer | None = None,
        room: Room | None = None,
        cache: Path | None = None,
        apart: bool = False,
    ) -> None:
        """Take over a pipeline, which is changed in place, to paint on `device`.

        Its models are there already, or, where it does not hold all of them, in the machine's memory: then
        text encoders and UNet are brought there `apart`, each for its stage.
        """
        self._pipe = pipe
        self._profile = profile
        self._device = torch.device(device)
        self._denoiser = Denoiser(pipe, profile, self._device)
        self._stages = Stages(pipe, self._device, apart=apart)
        self._prompts = PromptEncoder(pipe, self._device, self._denoiser.guided, profile.negative)
        self._previewer = previewer
        self._room = Room(profile.pass_size) if room is None else room
        self._cache = cache
        self._settled = False
        # compiled code is made once, and not by several threads at a time
        lanes = 1 if profile.compile else lanes
        self._lanes = ThreadPoolExecutor(lanes, "lane", initializer=torch.set_num_threads, initargs=(1,))

    @classmethod
    def load(
        cls,
        profile: PainterProfile,
        device: str = "cpu",
        lanes: int = 1,
        cache: Path | None = None,
        *,
        mode: str = "",
        exact: bool = False,
        apart: bool = False,
    ) -> DiffusersPainter:
        """Load the profile's painter; `ModelUnavailable` names it where it is missing, damaged or foreign.

        What is found out about the device is kept in `cache`, unless that is None, apart for each `mode` in
        which others share the device. `exact` passes have the profile's size wherever they are painted.
        """
        _quiet()
        pipe = load_pipeline(profile, device, apart=apart)
        previewer = None
        if profile.preview is not None:
            previewer = Previewer.load(profile.preview, device, dtype_on(profile.dtype, device))
        room = Room(profile.pass_size, exact=exact)
        if torch.device(device).type == "cuda" and cache is not None and not exact:
            room = Room(profile.pass_size, _ledger(profile, torch.device(device), cache, mode))
        return cls(pipe, profile, device, lanes, previewer=previewer, room=room, cache=cache, apart=apart)

    @property
    def pass_size(self) -> int:
        """Images per pass, as far as that is known."""
        return self._room.size

    def settle(self, note: Callable[[str], None] = lambda text: None) -> None:
        """Find out how many images fit in memory, and compile, where either is asked for.

        Done by the first painting, if not before. `note` gets a line where less comes of it than was wanted.
        """
        if self._settled:
            return
        self._prepare([""], note)
        if not self._room.settle(self._fits):
            raise no_room(f"one image of {self._profile.size} pixels")
        if self._room.size < self._profile.pass_size:
            note(f"memory holds {self._room.size} images at a time, not {self._profile.pass_size}")
        if self._profile.compile:
            self._compile(note)
        self._settled = True

    def paint(
        self,
        prompts: Sequence[str],
        seeds: Sequence[Sequence[int]],
        should_stop: Callable[[], bool] = lambda: False,
        progress: Progress = lambda done, total: None,
        note: Callable[[str], None] = lambda text: None,
        preview: OnPreview | None = None,
    ) -> Iterator[list[Painted]]:
        """Paint `seeds[l][m]` for every prompt l, and yield the images of each pass when it is finished.

        `progress` counts denoising steps of all passes, `preview` gets what the images look like meanwhile if
        the profile has a model for that, `note` gets one line for each prompt that is longer than the text
        encoders read. Where memory runs out, half as many images are painted at a time from then on, which is
        noted, too; where it runs out again, `ModelUnavailable`. Raises `Cancelled` between two steps once
        `should_stop` says so.
        """
        self.settle(note)
        self._prepare(prompts, note)
        jobs, done, halved = jobs_of(prompts, seeds), 0, False
        while jobs:
            steps = math.ceil(len(jobs) / self._room.size) * self._profile.steps
            watch = Watch(steps, should_stop, progress, done)
            try:
                for images in self._attempt(jobs, watch, note, preview):
                    batch, jobs = jobs[: len(images)], jobs[len(images) :]
                    yield [(job.column, job.index, image) for job, image in zip(batch, images, strict=True)]
                return
            except OutOfRoom:
                done = watch.done
            size = self._room.size
            if halved or not self._room.halve():
                self._release()
                what = f"{size} images of {self._profile.size} pixels at a time"
                raise no_room(what, exact=self._room.exact)
            halved = True
            self._release()
            note(
                f"memory ran out: from now on {self._room.size} images are painted at a time instead of "
                f"{size}, and may differ in detail"
            )

    def _attempt(
        self,
        jobs: Sequence[Job],
        watch: Watch,
        note: Callable[[str], None],
        preview: OnPreview | None,
    ) -> Iterator[list[Pixels]]:
        """Paint all jobs in passes of the present size; raises `OutOfRoom` where one does not fit."""
        size = self._room.size
        passes = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        try:
            running = [
                self._lanes.submit(
                    self._pass,
                    batch,
                    [self._encoded(job.prompt, note) for job in batch],
                    size,
                    watch,
                    preview,
                )
                for batch in passes
            ]
            for images in running:
                yield images.result()
        finally:
            watch.abandon()

    def _prepare(self, prompts: Sequence[str], note: Callable[[str], None]) -> None:
        """Where the device does not hold all models, encode first, and then let the UNet have it."""
        if not self._stages.apart:
            return
        try:
            if not all(map(self._prompts.knows, prompts)):
                self._stages.encode()
                for prompt in prompts:
                    self._encoded(prompt, note)
            self._stages.denoise()
        except OutOfRoom:
            raise no_room(f"the painter in {self._profile.model}") from None

    def _encoded(self, prompt: str, note: Callable[[str], None] = lambda text: None) -> Conditioning:
        return within_memory(lambda: self._prompts.encode(prompt, note))

    @torch.inference_mode()
    def _pass(
        self,
        jobs: Sequence[Job],
        conditionings: Sequence[Conditioning],
        size: int,
        watch: Watch,
        preview: OnPreview | None,
    ) -> list[Pixels]:
        """Paint one pass of `size` images, in a lane of its own: noise, steps, decoding."""
        watch.check()
        if watch.out_of_room:
            raise OutOfRoom
        missing = size - len(jobs)
        conditions = stacked([*conditionings, *[conditionings[0]] * missing], self._profile.size)
        seeds = [job.seed for job in [*jobs, *[jobs[0]] * missing]]

        def after(number: int, total: int, output: Any, scheduler: Any) -> None:
            # A scheduler of second order takes more timesteps than it was asked for; those are not counted.
            watch.step(counted=number < self._profile.steps)
            previewer = self._previewer
            if previewer is None or preview is None or not previewer.due(number, total):
                return
            looks = previewer.look(guessed_latents(output, scheduler)[: len(jobs)])
            for job, pixels in zip(jobs, looks, strict=True):
                if not watch.abandoned:
                    preview(job.column, job.index, pixels)

        def work() -> list[Pixels]:
            latents = self._denoiser.latents(conditions, seeds, after)
            return self._denoiser.images(latents, [job.name for job in jobs])

        try:
            return within_memory(work)
        except OutOfRoom:
            watch.out_of_room = True
            raise

    def _fits(self, size: int) -> bool:
        """Whether a pass of that size fits in memory: a step and the decoding of nothing in particular."""
        try:
            self._lanes.submit(self._rehearse, size, self._encoded("")).result()
        except OutOfRoom:
            return False
        finally:
            self._release()
        return True

    @torch.inference_mode()
    def _rehearse(self, size: int, conditioning: Conditioning) -> None:
        def work() -> None:
            latents = self._denoiser.rehearse(conditioning, size)
            if self._previewer is not None:
                self._previewer.look(latents)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)

        within_memory(work)

    def _compile(self, note: Callable[[str], None]) -> None:
        """Compile for the passes' shapes now; where that cannot be, the UNet runs as it is."""
        note("the painter is compiled, which takes minutes the first time")
        begin_compiling(self._pipe.unet, self._cache)
        try:
            if not self._fits(self._room.size):
                raise no_room(f"a compiled pass of {self._room.size} images")
        except Exception as error:
            if not (problem := compile_problem(error)):
                raise
            stop_compiling(self._pipe.unet)
            note(f"the painter cannot be compiled here and runs as it is: {problem}")

    def _release(self) -> None:
        """Give memory back that is held in reserve."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _ledger(profile: PainterProfile, device: torch.device, cache: Path, mode: str) -> Ledger:
    """What is known of a painter on a CUDA device that others share in this mode."""
    card = torch.cuda.get_device_properties(device)
    parts = (
        *(
            profile.model,
            f"{profile.size} px",
            profile.dtype,
            "guided" if profile.guidance > 1 else "unguided",
        ),
        *(["compiled"] if profile.compile else []),
        *([mode] if mode else []),
        *(f"on {card.name}", f"{card.total_memory} bytes", f"torch {torch.__version__}"),
    )
    return Ledger(cache / LEDGER, ", ".join(map(str, parts)), lambda: free_memory(device))


def _quiet() -> None:
    """Keep two libraries from drawing progress bars and from warning of what is reported here."""
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
