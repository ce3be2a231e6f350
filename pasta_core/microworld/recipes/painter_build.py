"""Building the painter from its parts: autoencoder, text encoders, latents, denoiser, pipeline."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline, UNet2DConditionModel

from pasta_core.microworld.recipes.clip_tokens import clip_tokenizer
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.painter_recipe import (
    PainterRecipe,
    latents_of,
    save_pipeline,
    train_denoiser,
)
from pasta_core.microworld.recipes.painter_text import PainterText, TextRecipe, train_painter_text
from pasta_core.microworld.recipes.workshop import Workshop

__all__ = ["build_painter"]


def build_painter(
    scenes: DrawnScenes, out: Path, shop: Workshop, start: Path | None, recipe: PainterRecipe | None = None
) -> None:
    """Train the painter into `out`, on from the pipeline in `start` where there is one.

    A painter that is trained on keeps its autoencoder and its text encoders: the denoiser knows no others.
    """
    recipe = recipe or PainterRecipe()
    if start is None:
        autoencoder = AutoencoderTiny.from_pretrained(shop.folder / "vae")
        text, denoiser = train_painter_text(clip_tokenizer(), shop), None
    else:
        pipeline = StableDiffusionXLPipeline.from_pretrained(
            start, dtype=torch.float32, local_files_only=True, add_watermarker=False
        )
        autoencoder, denoiser = pipeline.vae, pipeline.unet
        text = _text_of(pipeline).to(shop.device)
    assert isinstance(autoencoder, AutoencoderTiny)
    assert denoiser is None or isinstance(denoiser, UNet2DConditionModel)
    latents = latents_of(autoencoder, scenes, shop)
    trained = train_denoiser(latents, scenes.labels, text, shop, recipe, denoiser)
    save_pipeline(out, autoencoder, text, trained, recipe.shard)


def _text_of(pipeline: StableDiffusionXLPipeline) -> PainterText:
    """The pipeline's frozen text encoders, in the shape that training reads them."""
    widths = (pipeline.text_encoder.config.hidden_size, pipeline.text_encoder_2.config.hidden_size)
    layers = pipeline.text_encoder.config.num_hidden_layers
    text = PainterText(pipeline.tokenizer, TextRecipe(widths=widths, layers=layers))
    text.first, text.second = pipeline.text_encoder, pipeline.text_encoder_2
    return text.eval().requires_grad_(False)
