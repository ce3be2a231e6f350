"""A CLIP as OpenAI's is, small enough for a test, in the folder that open_clip reads."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file


def openai_like(folder: Path, *, quick: bool = True) -> open_clip.CLIP:
    """A small CLIP as OpenAI's is: their names of tensors, their tokenizer, and QuickGELU if `quick`."""
    torch.manual_seed(1)
    shape = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
        "quick_gelu": quick,
    }
    model = open_clip.CLIP(**shape).eval()
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
    config = {"model_cfg": shape, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model
