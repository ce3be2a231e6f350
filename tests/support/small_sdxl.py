"""A painter of SDXL's true architecture, a few million random numbers large, as a folder and in one file.

The file's names are those of Stability AI's code, which every other program's checkpoints have.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from pasta_core.painter.clip_tokenizers import sdxl_tokenizers
from pasta_core.painter.original_names import original_name

FIRST, SECOND = 16, 32
"""Widths of the two text encoders; checkpoints are told apart by them, so they differ as SDXL's do."""


def small_sdxl(seed: int = 0) -> StableDiffusionXLPipeline:
    """Blocks, names and kinds as in SDXL 1.0, narrower and shallower."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(2, 4, 4),
        cross_attention_dim=FIRST + SECOND,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=SECOND + 6 * 8,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        scaling_factor=0.13025,
        force_upcast=True,
        sample_size=64,
    )
    encoders = [
        kind(
            CLIPTextConfig(
                vocab_size=49408,
                hidden_size=width,
                intermediate_size=2 * width,
                projection_dim=width,
                num_hidden_layers=2,
                num_attention_heads=2,
                hidden_act=act,
                bos_token_id=49406,
                eos_token_id=49407,
                pad_token_id=1,
            )
        )
        for kind, width, act in (
            (CLIPTextModel, FIRST, "quick_gelu"),
            (CLIPTextModelWithProjection, SECOND, "gelu"),
        )
    ]
    first, second = sdxl_tokenizers()
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    return StableDiffusionXLPipeline(
        vae,
        *encoders,
        first,
        second,
        unet,
        scheduler,
        add_watermarker=False,
        force_zeros_for_empty_prompt=True,
    )


def save_config(pipe: StableDiffusionXLPipeline, folder: Path) -> Path:
    """The pipeline's configuration alone, as profiles name it for a file of other shapes."""
    for name in ("unet", "vae", "scheduler"):
        getattr(pipe, name).save_config(folder / name)
    for name in ("text_encoder", "text_encoder_2"):
        getattr(pipe, name).config.save_pretrained(folder / name)
    pipe.save_config(folder)
    return folder


def save_checkpoint(
    pipe: StableDiffusionXLPipeline, file: Path, *, vae: bool = True, half: bool = False
) -> Path:
    """The whole pipeline in one file, in half precision if `half`."""
    tensors = {
        **_unet(pipe.unet),
        **_first_encoder(pipe.text_encoder),
        **_second_encoder(pipe.text_encoder_2),
        # real files carry these, too, and nothing reads them
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.6),
        "denoiser.sigmas": torch.linspace(0, 14.6, 1000),
        **(
            {f"first_stage_model.{name}": value for name, value in original_vae(pipe.vae).items()}
            if vae
            else {}
        ),
    }
    if half:
        tensors = {
            name: value.half() if value.is_floating_point() else value for name, value in tensors.items()
        }
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, file)
    return file


def _unet(unet: Any) -> dict[str, Tensor]:
    renamed = {}
    for name, value in unet.state_dict().items():
        module, _, parameter = name.rpartition(".")
        original = original_name(module, 2, frozenset({0, 1}))
        assert original, name
        renamed[f"model.diffusion_model.{original}.{parameter}"] = value
    assert len(renamed) == len(unet.state_dict())
    return renamed


def _first_encoder(encoder: Any) -> dict[str, Tensor]:
    prefix = "conditioner.embedders.0.transformer.text_model."
    return {
        prefix + name.removeprefix("text_model."): value
        for name, value in encoder.state_dict().items()
        if not name.endswith("position_ids")
    }


def _second_encoder(encoder: Any) -> dict[str, Tensor]:
    state = {name: value for name, value in encoder.state_dict().items() if not name.endswith("position_ids")}
    prefix = "conditioner.embedders.1.model."
    renamed = {f"{prefix}text_projection": state.pop("text_projection.weight").T}
    for name in [name for name in state if ".self_attn.q_proj." in name]:
        parts = [state.pop(name.replace("q_proj", kind)) for kind in ("q_proj", "k_proj", "v_proj")]
        layer = re.search(r"layers\.(\d+)\.", name)
        assert layer
        kind = name.rpartition(".")[2]
        renamed[f"{prefix}transformer.resblocks.{layer[1]}.attn.in_proj_{kind}"] = torch.cat(parts)
    for name, value in state.items():
        original = name.removeprefix("text_model.")
        for theirs, ours in (
            ("embeddings.token_embedding.weight", "token_embedding.weight"),
            ("embeddings.position_embedding.weight", "positional_embedding"),
            ("final_layer_norm", "ln_final"),
            ("encoder.layers", "transformer.resblocks"),
            ("self_attn.out_proj", "attn.out_proj"),
            ("layer_norm1", "ln_1"),
            ("layer_norm2", "ln_2"),
            ("mlp.fc1", "mlp.c_fc"),
            ("mlp.fc2", "mlp.c_proj"),
        ):
            original = original.replace(theirs, ours)
        renamed[prefix + original] = value
    return renamed


def original_vae(vae: Any) -> dict[str, Tensor]:
    """An autoencoder's tensors under their original names."""
    blocks = len(vae.config.block_out_channels)
    renamed = {}
    for name, value in vae.state_dict().items():
        original = re.sub(
            r"decoder\.up_blocks\.(\d+)\.", lambda found: f"decoder.up.{blocks - 1 - int(found[1])}.", name
        )
        original = re.sub(r"encoder\.down_blocks\.(\d+)\.", r"encoder.down.\1.", original)
        original = re.sub(
            r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", original
        )
        for theirs, ours in (
            ("mid_block.attentions.0", "mid.attn_1"),
            ("resnets", "block"),
            ("downsamplers.0", "downsample"),
            ("upsamplers.0", "upsample"),
            ("conv_shortcut", "nin_shortcut"),
            ("conv_norm_out", "norm_out"),
            ("group_norm", "norm"),
            ("to_out.0", "proj_out"),
            ("to_q", "q"),
            ("to_k", "k"),
            ("to_v", "v"),
        ):
            original = original.replace(theirs, ours)
        if "attn_1" in original and original.endswith("weight") and value.ndim == 2:
            value = value[:, :, None, None]
        renamed[original] = value
    return renamed


def small_lora(pipe: StableDiffusionXLPipeline, style: str, rank: int = 2) -> dict[str, Tensor]:
    """Random additions to some modules of every model, named in one of three styles, alpha half the rank."""
    torch.manual_seed(5)
    tensors: dict[str, Tensor] = {}
    modules = [
        ("unet", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"),
        ("unet", "up_blocks.0.attentions.1.transformer_blocks.1.ff.net.0.proj"),
        ("unet", "mid_block.attentions.0.proj_in"),
        ("text_encoder", "encoder.layers.0.self_attn.q_proj"),
        ("text_encoder_2", "encoder.layers.1.mlp.fc1"),
    ]
    if style != "diffusers":
        modules.append(("unet", "down_blocks.0.resnets.1.conv1"))
    for component, path in modules:
        model = getattr(pipe, component)
        inner = path if component == "unet" else _inner(model, path)
        weight = model.get_submodule(inner).weight
        down = torch.randn(rank, *weight.shape[1:])
        up = torch.randn(weight.shape[0], rank, *([1, 1] if weight.ndim == 4 else []))
        if style == "diffusers":
            stem = f"{component}.{path if component == 'unet' else f'text_model.{path}'}"
            tensors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
            continue
        if component == "unet":
            name = original_name(path, 2, frozenset({0, 1})) if style == "original" else path
            stem = f"lora_unet_{name.replace('.', '_')}"
        else:
            prefix = "lora_te1" if component == "text_encoder" else "lora_te2"
            stem = f"{prefix}_text_model_{path.replace('.', '_')}"
        tensors |= {
            f"{stem}.lora_down.weight": down,
            f"{stem}.lora_up.weight": up,
            f"{stem}.alpha": torch.tensor(rank / 2),
        }
    return tensors


def _inner(model: Any, path: str) -> str:
    return f"text_model.{path}" if hasattr(model, "text_model") else path


def write_profile(folder: Path, name: str, painter: dict[str, Any]) -> Path:
    """A user's profile in `folder` that differs from the shipped micro one in its painter."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in painter.items()]
    file = folder / f"{name}.toml"
    file.write_text('extends = "micro"\n[painter]\n' + "\n".join(lines) + "\n")
    return file
