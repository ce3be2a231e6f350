"""Models of the micro architecture with random weights: they paint noise, as real ones paint."""

from __future__ import annotations

import json
import string
from pathlib import Path

WORDS = ("a", "red", "blue", "train", "cat", "in", "the", "snow", "at", "night")


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A CLIP vocabulary of letters and merges that make each of `WORDS` one token."""
    letters = string.ascii_lowercase
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            if (parts[0], parts[1]) not in merges:
                merges.append((parts[0], parts[1]))
                tokens.append(parts[0] + parts[1])
            parts[:2] = [parts[0] + parts[1]]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(tokens)}, merges


def build_painter(folder: Path, channels: tuple[int, int] = (128, 192), context: int = 24) -> Path:
    """Write an SDXL pipeline of the micro painter's shape: 64x64 pixels, latents of 8x8x8."""
    import torch
    from diffusers import (
        AutoencoderTiny,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(0)
    vocabulary, merges = clip_vocabulary()
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context)
    text = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
        projection_dim=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=channels,
        layers_per_block=2,
        transformer_layers_per_block=1,
        attention_head_dim=(4, 4),
        use_linear_projection=True,
        norm_num_groups=32,
        cross_attention_dim=128,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=64 + 6 * 32,
    )
    vae = AutoencoderTiny(
        latent_channels=8,
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        scaling_factor=1.0,
    )
    scheduler = EulerDiscreteScheduler(
        prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True
    )
    StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def build_clip(folder: Path, context: int = 24) -> Path:
    """Write an open_clip folder: a ViT of 64x64 pixels and a text tower with its own tokenizer."""
    import torch
    from open_clip import create_model
    from safetensors.torch import save_file
    from transformers import CLIPTokenizer

    torch.manual_seed(1)
    vocabulary, merges = clip_vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context)
    tokenizer.save_pretrained(folder)
    config = {
        "model_cfg": {
            "embed_dim": 32,
            "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
            "text_cfg": {
                "context_length": context,
                "vocab_size": len(vocabulary),
                "width": 64,
                "heads": 2,
                "layers": 2,
                "hf_tokenizer_name": "local",
                "pool_type": "eos",
                "eos_id": tokenizer.eos_token_id,
                "pad_id": tokenizer.pad_token_id,
            },
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model = create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), str(folder / "open_clip_model.safetensors"))
    return folder


def build_writer(file: Path) -> Path:
    """Write a llama model with the micro writer's tokenizer; a grammar makes even random weights write."""
    import torch

    from pasta_core.microworld.gguf_export import export_gguf
    from pasta_core.microworld.writer_recipe import WriterRecipe, build_model
    from pasta_core.microworld.writer_tokens import END, train_tokenizer

    torch.manual_seed(2)
    tokenizer = train_tokenizer()
    file.parent.mkdir(parents=True, exist_ok=True)
    model = build_model(WriterRecipe(layers=1, width=64, heads=2, inner=64), tokenizer)
    export_gguf(model, tokenizer, END, file, "f32")
    return file
