"""One pass through an SDXL pipeline: noise, denoising steps, decoding."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from torch import Tensor

from pasta_core.domain import Pixels
from pasta_core.painter.faults import refuse_faulty
from pasta_core.painter.previewing import to_pixels
from pasta_core.painter.prompts import Conditioning, Conditions, stacked
from pasta_core.settings import PainterProfile

__all__ = ["AfterStep", "Denoiser"]

AfterStep = Callable[[int, int, Any, Any], None]
"""Called after each step: its number (0-based), how many there are, its output, and the scheduler."""

SLICED_DECODE = 512
"""From this size on, images are decoded one by one: decoding takes more memory than denoising."""


class Denoiser:
    """The loop of the pipeline; it keeps nothing between passes, and several may run side by side.

    Latents and guidance are kept in float32 whatever the models compute in: they add up over the steps.
    """

    def __init__(
        self, pipe: StableDiffusionXLPipeline, profile: PainterProfile, device: torch.device
    ) -> None:
        """Take over a pipeline whose models are on `device` while they denoise; their layout is changed."""
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
        if pipe.vae.dtype == torch.float16 and getattr(pipe.vae.config, "force_upcast", False):
            # SDXL's own autoencoder overflows in half precision.
            pipe.vae.to(torch.float32)
        if profile.size >= SLICED_DECODE:
            pipe.vae.enable_slicing()
        self._pipe = pipe
        self._profile = profile
        self._device = device

    @property
    def guided(self) -> bool:
        """Whether there are guided steps; a model distilled with guidance reads its scale instead."""
        return self._profile.guidance > 1 and self._pipe.unet.config.time_cond_proj_dim is None

    def latents(self, conditions: Conditions, seeds: Sequence[int], after: AfterStep) -> Tensor:
        """The latents of finished images, (n, c, h, w), one for each seed."""
        profile = self._profile
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        scheduler = self._scheduler()
        latents: Tensor = self._noise(generators) * scheduler.init_noise_sigma
        options = self._pipe.prepare_extra_step_kwargs(generators, 0.0)
        total = len(scheduler.timesteps)
        guided = math.ceil(profile.guidance_until * total) if self.guided else 0
        late = conditions.unguided(len(seeds))
        for number, step in enumerate(scheduler.timesteps):
            read = conditions if number < guided else late
            predicted = self._predicted(scheduler.scale_model_input(latents, step), step, read)
            output = scheduler.step(predicted, step, latents, **options)
            latents = output.prev_sample
            after(number, total, output, scheduler)
        return latents

    def images(self, latents: Tensor, names: Sequence[str]) -> list[Pixels]:
        """The first images of finished latents, as many as have names; the rest only pads the pass.

        Raises `ModelUnavailable` by name for one that nobody can have meant.
        """
        vae, count = self._pipe.vae, len(names)
        scaled = latents / vae.config.scaling_factor
        mean, std = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is not None and std is not None:
            spread, centre = (_per_channel(values, latents) for values in (std, mean))
            scaled = scaled * spread + centre
        if getattr(vae, "use_slicing", False):
            # each is decoded alone, so what pads the pass can be left out
            scaled = scaled[:count]
        images = vae.decode(scaled.to(vae.dtype), return_dict=False)[0][:count]
        refuse_faulty(latents[:count], images, names)
        return to_pixels(images)

    def rehearse(self, conditioning: Conditioning, size: int) -> Tensor:
        """Do once what a pass of `size` images does, for each of its shapes; returns the noise it used."""
        conditions = stacked([conditioning] * size, self._profile.size)
        latents = self._noise([torch.Generator().manual_seed(0)] * size)
        step = self._scheduler().timesteps[0]
        if self.guided and self._profile.guidance_until > 0:
            self._predicted(latents, step, conditions)
        if not self.guided or self._profile.guidance_until < 1:
            self._predicted(latents, step, conditions.unguided(size))
        vae = self._pipe.vae
        rows = 1 if getattr(vae, "use_slicing", False) else size
        vae.decode(latents[:rows].to(vae.dtype), return_dict=False)
        return latents

    def _scheduler(self) -> Any:
        """A scheduler counts its steps, so each pass has one of its own."""
        scheduler = copy.deepcopy(self._pipe.scheduler)
        scheduler.set_timesteps(self._profile.steps, device=self._device)
        return scheduler

    def _noise(self, generators: Sequence[torch.Generator]) -> Tensor:
        side = self._profile.size // self._pipe.vae_scale_factor
        shape = (self._pipe.unet.config.in_channels, side, side)
        # Drawn in float32 on the CPU whatever the model's type and device, so that a seed means one image.
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        return noise.to(self._device).contiguous(memory_format=torch.channels_last)

    def _predicted(self, latents: Tensor, step: Tensor, conditions: Conditions) -> Tensor:
        """The UNet's prediction for latents (n, c, h, w), guided where there are conditions for 2n rows."""
        unet = self._pipe.unet
        guided = len(conditions.states) > len(latents)
        inputs = torch.cat([latents] * 2) if guided else latents
        predicted: Tensor = unet(
            inputs.to(unet.dtype),
            step,
            encoder_hidden_states=conditions.states,
            timestep_cond=self._guidance_embedding(inputs),
            added_cond_kwargs=conditions.added,
            return_dict=False,
        )[0].float()
        if not guided:
            return predicted
        without, with_prompt = predicted.chunk(2)
        return without + self._profile.guidance * (with_prompt - without)

    def _guidance_embedding(self, latents: Tensor) -> Tensor | None:
        """The scale of guidance, for a model that was distilled with it."""
        unet = self._pipe.unet
        width = unet.config.time_cond_proj_dim
        if width is None:
            return None
        scale = torch.full((len(latents),), self._profile.guidance - 1.0)
        embedding: Tensor = self._pipe.get_guidance_scale_embedding(scale, embedding_dim=width)
        return embedding.to(latents.device, unet.dtype)


def _per_channel(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1)
