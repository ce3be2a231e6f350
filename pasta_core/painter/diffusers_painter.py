"""An SDXL pipeline that paints many prompts at once, each image exactly as if it were alone."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from torch import Tensor
from transformers.utils import logging as transformers_logging

from pasta_core.domain import Pixels, Progress
from pasta_core.errors import Cancelled
from pasta_core.painter.faults import refuse_faulty
from pasta_core.painter.loading import load_pipeline
from pasta_core.settings import PainterProfile

__all__ = ["DiffusersPainter", "Painted"]

Painted: TypeAlias = tuple[int, int, Pixels]
"""A finished image: its column, its index in the column, and its RGB pixels of shape (size, size, 3)."""

REMEMBERED = 256
"""How many encoded prompts are kept."""
SLICED_DECODE = 512
"""From this size on, images are decoded one by one: decoding takes more memory than denoising."""


@dataclass(frozen=True)
class Conditioning:
    """What the UNet reads of a prompt: token states (1, n, d), pooled state (1, e), those of no prompt."""

    states: Tensor
    pooled: Tensor
    negative_states: Tensor | None
    negative_pooled: Tensor | None


@dataclass(frozen=True)
class _Job:
    column: int
    index: int
    prompt: str
    seed: int


class _Watch:
    """What the passes of one call share: whether to go on, and how many steps are done."""

    def __init__(self, total: int, should_stop: Callable[[], bool], progress: Progress) -> None:
        self._total = total
        self._should_stop = should_stop
        self._progress = progress
        self._done = 0
        self._abandoned = False
        self._lock = threading.Lock()

    def abandon(self) -> None:
        """Stop the passes that still run: nobody waits for them."""
        self._abandoned = True

    def check(self) -> None:
        """Raise `Cancelled` if the call is to end."""
        if self._abandoned or self._should_stop():
            raise Cancelled("painting was stopped")

    def step(self, counted: bool) -> None:
        """Count a finished step, then look whether to go on."""
        with self._lock:
            if counted and not self._abandoned:
                self._done += 1
                self._progress(self._done, self._total)
        self.check()


class DiffusersPainter:
    """Paints with a local `StableDiffusionXLPipeline`.

    The denoising loop is the pipeline's own, with three differences: every pass has the same shape (short
    ones are padded), noise comes from one CPU generator per image, and it can be stopped between steps. So
    an image has the same bytes whatever is painted with it.

    `lanes` passes run side by side, each on one CPU thread. Threads inside a pass change float32 results by
    their number (measured: 1 against 2 at 128 and 192 channels), and wait for each other at every operation,
    which on a busy machine costs ten times the work itself.
    """

    def __init__(
        self, pipe: StableDiffusionXLPipeline, profile: PainterProfile, device: str, lanes: int
    ) -> None:
        self._pipe = pipe
        self._profile = profile
        self._device = torch.device(device)
        self._conditionings: OrderedDict[str, Conditioning] = OrderedDict()
        self._lanes = ThreadPoolExecutor(lanes, "lane", initializer=torch.set_num_threads, initargs=(1,))

    @classmethod
    def load(cls, profile: PainterProfile, device: str = "cpu", lanes: int = 1) -> DiffusersPainter:
        """Load the profile's painter; `ModelUnavailable` names it where it is missing, damaged or foreign."""
        _quiet()
        pipe = load_pipeline(profile, device)
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
        if pipe.vae.dtype == torch.float16 and getattr(pipe.vae.config, "force_upcast", False):
            # SDXL's own autoencoder overflows in half precision.
            pipe.vae.to(torch.float32)
        if profile.size >= SLICED_DECODE:
            pipe.vae.enable_slicing()
        return cls(pipe, profile, device, lanes)

    def paint(
        self,
        prompts: Sequence[str],
        seeds: Sequence[Sequence[int]],
        should_stop: Callable[[], bool] = lambda: False,
        progress: Progress = lambda done, total: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> Iterator[list[Painted]]:
        """Paint `seeds[l][m]` for every prompt l, and yield the images of each pass when it is finished.

        `progress` counts denoising steps of all passes, `note` gets one line for each prompt that is longer
        than the text encoders read. Raises `Cancelled` between two steps once `should_stop` says so.
        """
        jobs = [
            _Job(column, index, prompt, seed)
            for column, (prompt, column_seeds) in enumerate(zip(prompts, seeds, strict=True))
            for index, seed in enumerate(column_seeds)
        ]
        size = self._profile.pass_size
        passes = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        watch = _Watch(len(passes) * self._profile.steps, should_stop, progress)
        try:
            running = [
                self._lanes.submit(
                    self._pass, batch, [self._condition(job.prompt, note) for job in batch], watch
                )
                for batch in passes
            ]
            for batch, images in zip(passes, running, strict=True):
                pixels = images.result()
                yield [(job.column, job.index, image) for job, image in zip(batch, pixels, strict=True)]
        finally:
            watch.abandon()

    @torch.inference_mode()
    def _pass(
        self, jobs: Sequence[_Job], conditionings: Sequence[Conditioning], watch: _Watch
    ) -> list[Pixels]:
        """Paint one pass, in a lane of its own: noise, steps, decoding."""
        watch.check()
        pipe, profile = self._pipe, self._profile
        missing = profile.pass_size - len(jobs)
        states, added = self._conditions([*conditionings, *[conditionings[0]] * missing])
        generators = [torch.Generator().manual_seed(job.seed) for job in [*jobs, *[jobs[0]] * missing]]
        # A scheduler counts its steps, so each pass has one of its own.
        scheduler = copy.deepcopy(pipe.scheduler)
        scheduler.set_timesteps(profile.steps, device=self._device)
        latents = self._noise(generators) * scheduler.init_noise_sigma
        options = pipe.prepare_extra_step_kwargs(generators, 0.0)
        timestep_cond = self._guidance_embedding(latents)
        for number, step in enumerate(scheduler.timesteps):
            inputs = torch.cat([latents] * 2) if self._guided else latents
            predicted = pipe.unet(
                scheduler.scale_model_input(inputs, step),
                step,
                encoder_hidden_states=states,
                timestep_cond=timestep_cond,
                added_cond_kwargs=added,
                return_dict=False,
            )[0]
            if self._guided:
                without, with_prompt = predicted.chunk(2)
                predicted = without + profile.guidance * (with_prompt - without)
            stepped = scheduler.step(predicted, step, latents, **options, return_dict=False)[0]
            latents = stepped.to(latents.dtype)
            # A scheduler of second order takes more timesteps than it was asked for; those are not counted.
            watch.step(counted=number < profile.steps)
        return self._decode(latents)[: len(jobs)]

    @property
    def _guided(self) -> bool:
        return self._profile.guidance > 1 and self._pipe.unet.config.time_cond_proj_dim is None

    def _noise(self, generators: Sequence[torch.Generator]) -> Tensor:
        unet = self._pipe.unet
        side = self._profile.size // self._pipe.vae_scale_factor
        shape = (unet.config.in_channels, side, side)
        # Drawn in float32 on the CPU whatever the model's type and device, so that a seed means one image.
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        return noise.to(self._device, unet.dtype).contiguous(memory_format=torch.channels_last)

    def _guidance_embedding(self, latents: Tensor) -> Tensor | None:
        width = self._pipe.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scale = torch.full((len(latents),), self._profile.guidance - 1.0)
        embedding: Tensor = self._pipe.get_guidance_scale_embedding(scale, embedding_dim=width)
        return embedding.to(latents.device, latents.dtype)

    @torch.inference_mode()
    def _condition(self, prompt: str, note: Callable[[str], None]) -> Conditioning:
        """Encode a prompt, once; always alone, so that its numbers never depend on other prompts."""
        if prompt in self._conditionings:
            self._conditionings.move_to_end(prompt)
            return self._conditionings[prompt]
        if lost := self._lost(prompt):
            note(f"the painter reads only so far, it does not see: {lost}")
        states, negative_states, pooled, negative_pooled = self._pipe.encode_prompt(
            prompt, device=self._device, do_classifier_free_guidance=self._guided
        )
        self._conditionings[prompt] = Conditioning(states, pooled, negative_states, negative_pooled)
        if len(self._conditionings) > REMEMBERED:
            self._conditionings.popitem(last=False)
        return self._conditionings[prompt]

    def _lost(self, prompt: str) -> str:
        """The end of the prompt that no text encoder reads, empty where all of it fits one."""
        ends = []
        for tokenizer in filter(None, (self._pipe.tokenizer, self._pipe.tokenizer_2)):
            ids = tokenizer(prompt, add_special_tokens=False).input_ids
            room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
            ends.append(str(tokenizer.decode(ids[room:])).strip())
        return min(ends, key=len)

    def _conditions(self, conditionings: Sequence[Conditioning]) -> tuple[Tensor, dict[str, Tensor]]:
        states = torch.cat([one.states for one in conditionings])
        pooled = torch.cat([one.pooled for one in conditionings])
        if self._guided:
            states = torch.cat([*(_given(one.negative_states) for one in conditionings), states])
            pooled = torch.cat([*(_given(one.negative_pooled) for one in conditionings), pooled])
        # SDXL's micro-conditioning: original size, crop corner and target size of a picture shown whole.
        size = float(self._profile.size)
        time_ids = torch.tensor([[size, size, 0.0, 0.0, size, size]], dtype=states.dtype)
        added = {"text_embeds": pooled, "time_ids": time_ids.to(self._device).repeat(len(states), 1)}
        return states, added

    def _decode(self, latents: Tensor) -> list[Pixels]:
        vae = self._pipe.vae
        latents = latents / vae.config.scaling_factor
        mean, std = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is not None and std is not None:
            spread, centre = (_per_channel(values, latents) for values in (std, mean))
            latents = latents * spread + centre
        images = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
        refuse_faulty(images)
        values = (images.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
        pixels: np.ndarray[Any, np.dtype[np.uint8]] = values.permute(0, 2, 3, 1).cpu().contiguous().numpy()
        return list(pixels)


def _quiet() -> None:
    """Keep two libraries from drawing progress bars and from warning of what is reported here."""
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _given(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("the prompt was encoded without its negative")
    return tensor


def _per_channel(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1)
