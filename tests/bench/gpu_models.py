"""The benchmark's models: true architectures with random weights, made on the device from configurations.

Speed does not depend on the weights' values, so nothing is fetched. What is not `full` keeps every kind of
block and makes it narrow, for a machine without a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

ASSETS = Path(__file__).parents[2] / "assets"
SDXL = ASSETS / "painters" / "sdxl"

VIT_L_14 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}

GEMMA_2B = {
    "vocab_size": 256_000,
    "hidden_size": 2048,
    "intermediate_size": 16_384,
    "num_hidden_layers": 18,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "max_position_embeddings": 8192,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
"""`google/gemma-2b`, 2.506 B parameters."""

_SMALL_GEMMA = {
    "vocab_size": 1024,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "head_dim": 16,
}
_SMALL_VIT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "projection_dim": 32,
}
_VISION = {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 768, "heads": 12, "layers": 12}
_SMALL_VISION = {"image_size": 56, "layers": 2, "width": 64, "patch_size": 14, "head_width": 32}
_SMALL_CLIP_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_SMALL_UNET = {
    "block_out_channels": (32, 64, 64),
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (2, 4, 4),
    "cross_attention_dim": 48,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80,
}
_SMALL_TEXT = {"num_hidden_layers": 2, "num_attention_heads": 2}

Model = TypeVar("Model", bound=nn.Module)


def made(build: Callable[[], Model], device: torch.device, dtype: torch.dtype) -> Model:
    """Build a model where it is to lie, ready for use and without gradients."""
    with device, _default(dtype):
        return build().eval().requires_grad_(False)


def size_of(*modules: nn.Module) -> int:
    """The bytes of their parameters."""
    return sum(one.numel() * one.element_size() for module in modules for one in module.parameters())


def unet(full: bool) -> Any:
    """SDXL 1.0's UNet, 2.567 B parameters."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_config(_config("unet") | ({} if full else _SMALL_UNET))


def autoencoder(full: bool) -> Any:
    """SDXL's autoencoder, as `sdxl-vae-fp16-fix` runs: in half precision."""
    from diffusers import AutoencoderKL

    small = {} if full else {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
    return AutoencoderKL.from_config(_config("vae") | {"force_upcast": False} | small)


def tiny_autoencoder(full: bool) -> Any:
    """TAESDXL."""
    from diffusers import AutoencoderTiny

    widths = (64,) * 4 if full else (16,) * 4
    return AutoencoderTiny(
        latent_channels=4, encoder_block_out_channels=widths, decoder_block_out_channels=widths
    )


def text_encoders(full: bool) -> tuple[Any, Any]:
    """CLIP ViT-L's and OpenCLIP ViT-bigG's, as SDXL reads prompts."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    found = []
    for kind, name, width in (
        (CLIPTextModel, "text_encoder", 16),
        (CLIPTextModelWithProjection, "text_encoder_2", 32),
    ):
        narrow = {"hidden_size": width, "intermediate_size": 2 * width, "projection_dim": width}
        found.append(kind(CLIPTextConfig(**_config(name) | ({} if full else narrow | _SMALL_TEXT))))
    return found[0], found[1]


def vision_tower(full: bool) -> Any:
    """ViT-L-14's image half in transformers, as who has no store of embeddings runs it in every step."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(**VIT_L_14 | ({} if full else _SMALL_VIT)))


def clip(full: bool) -> Any:
    """ViT-L-14-quickgelu of open_clip, both halves."""
    import open_clip

    width, vision, text = (768, _VISION, _TEXT) if full else (32, _SMALL_VISION, _SMALL_CLIP_TEXT)
    return open_clip.CLIP(width, vision, text, quick_gelu=True)


def gemma(full: bool) -> Any:
    """Gemma 2B with PyTorch's own attention."""
    from transformers import AutoModelForCausalLM, GemmaConfig

    config = GemmaConfig(**GEMMA_2B | ({} if full else _SMALL_GEMMA))
    return AutoModelForCausalLM.from_config(
        config, attn_implementation="sdpa", dtype=torch.get_default_dtype()
    )


def pipeline(full: bool, device: torch.device, dtype: torch.dtype, scheduler: Path | None = None) -> Any:
    """A whole `StableDiffusionXLPipeline`; `scheduler` is the JSON of another than SDXL 1.0's own."""
    import diffusers

    first, second = made(lambda: nn.ModuleList(text_encoders(full)), device, dtype)
    table = json.loads((scheduler or SDXL / "scheduler" / "scheduler_config.json").read_text())
    pipe = diffusers.StableDiffusionXLPipeline(
        made(lambda: autoencoder(full), device, dtype),
        first,
        second,
        tokenizer(),
        tokenizer(),
        made(lambda: unet(full), device, dtype),
        getattr(diffusers, table["_class_name"]).from_config(table),
        add_watermarker=False,
        force_zeros_for_empty_prompt=True,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def tokenizer() -> Any:
    """A tokenizer that reads letters: it needs no file, and every prompt is padded to 77 tokens anyway."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    words = {word: number for number, word in enumerate([*letters, *(f"{one}</w>" for one in letters)])}
    marks = {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    return CLIPTokenizer(vocab=words | marks, merges=[], model_max_length=77)


def _config(part: str) -> dict[str, Any]:
    return dict(json.loads((SDXL / part / "config.json").read_text()))


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
