"""A painter on a GPU that does not hold all of it: text encoders and UNet are there one after the other."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

from pasta_core.painter.room import OutOfRoom, within_memory

__all__ = ["Stages"]


class Stages:
    """Where a pipeline's models are: kept `apart`, they wait in the machine's memory for their stage.

    Moving changes no weight, so what is painted stays the same.
    """

    def __init__(self, pipe: StableDiffusionXLPipeline, device: torch.device, *, apart: bool) -> None:
        self._pipe = pipe
        self._device = device
        self.apart = apart

    def encode(self) -> None:
        """Bring the text encoders; raises `OutOfRoom`."""
        self._swap([self._pipe.unet, self._pipe.vae], [self._pipe.text_encoder, self._pipe.text_encoder_2])

    def denoise(self) -> None:
        """Bring the UNet and the autoencoder; raises `OutOfRoom`."""
        self._swap([self._pipe.text_encoder, self._pipe.text_encoder_2], [self._pipe.unet, self._pipe.vae])

    def _swap(self, leaving: list[Any], coming: list[Any]) -> None:
        if not self.apart:
            return
        for model in leaving:
            model.to("cpu")
        self._release()
        try:
            within_memory(lambda: [model.to(self._device) for model in coming])
        except OutOfRoom:
            # what is there in part helps nobody
            for model in coming:
                model.to("cpu")
            self._release()
            raise

    def _release(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
