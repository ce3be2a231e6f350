"""A Gemma 3 as it is published from 4B on: with an image encoder beside its language model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

from pasta_core.paths import find_assets
from tests.support.small_gemmas import small_config


def save_seeing_gemma(folder: Path) -> Any:
    """Write a small one with random weights and published names, and a tokenizer; returns the model."""
    vision = transformers.SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    config = transformers.Gemma3Config(
        text_config=small_config("gemma3_text").to_dict(),
        vision_config=vision.to_dict(),
        mm_tokens_per_image=4,
        image_token_index=1101,
        boi_token_index=1099,
        eoi_token_index=1100,
    )
    torch.manual_seed(0)
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    shutil.copy(find_assets() / "micro" / "writer" / "tokenizer.json", folder)
    return model
