"""Training the micro CLIP: pictures and captions of training scenes, contrasted in a batch."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import SIDE
from pasta_core.microworld.eyes import to_planes
from pasta_core.microworld.grammar import ATTRIBUTES, Scene
from pasta_core.microworld.recipes.clip_tokens import CONTEXT, clip_tokenizer
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.eyes_recipe import blurred
from pasta_core.microworld.recipes.painter_text import sprinkle_unknown_words
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig, halved

__all__ = ["ClipRecipe", "train_clip"]

LARGEST_SCALE = math.log(100)
"""CLIP's own bound on the logarithm of the contrast."""


@dataclass(frozen=True)
class ClipRecipe:
    """What the shipped CLIP was trained with."""

    dimension: int = 96
    width: int = 128
    heads: int = 4
    image_layers: int = 4
    text_layers: int = 3
    patch: int = 8
    steps: int = 2000
    batch: int = 256
    group: int = 32
    """In every other batch so many scenes at a time have setting, light and style in common. Scenes drawn
    freely are told apart by these alone, and the subject need never be looked at."""
    peak_rate: float = 1.5e-3


def _configuration(recipe: ClipRecipe, out: Path) -> None:
    """Write the open_clip folder's tokenizer and configuration, without weights."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = clip_tokenizer()
    tokenizer.save_pretrained(out)
    model = {
        "embed_dim": recipe.dimension,
        "vision_cfg": {
            "image_size": SIDE,
            "layers": recipe.image_layers,
            "width": recipe.width,
            "head_width": recipe.width // recipe.heads,
            "patch_size": recipe.patch,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": len(tokenizer),
            "width": recipe.width,
            "heads": recipe.heads,
            "layers": recipe.text_layers,
            "hf_tokenizer_name": "local",
            "pool_type": "eos",
            "eos_id": tokenizer.eos_token_id,
            "pad_id": tokenizer.pad_token_id,
        },
    }
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
    configuration = {"model_cfg": model, "preprocess_cfg": preprocess}
    (out / "open_clip_config.json").write_text(json.dumps(configuration, indent=2) + "\n")


class _Batches:
    """Draws scenes (n, 6): by turns freely, and in groups that only subject, colour and view tell apart."""

    def __init__(self, labels: npt.NDArray[np.int64], recipe: ClipRecipe) -> None:
        shared = [list(ATTRIBUTES).index(name) for name in ("setting", "light", "style")]
        _, self._cell = np.unique(labels[:, shared], axis=0, return_inverse=True)
        self._order = np.argsort(self._cell, kind="stable")
        self._starts = np.searchsorted(self._cell[self._order], np.arange(self._cell.max() + 2))
        self._recipe = recipe

    def rows(self, step: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Positions (batch,) of the step's scenes, sorted."""
        count, batch, group = len(self._cell), self._recipe.batch, self._recipe.group
        if step % 2 == 0:
            return np.sort(rng.choice(count, batch, replace=False))
        found = []
        for cell in self._cell[rng.choice(count, -(-batch // group), replace=False)]:
            alike = self._order[self._starts[cell] : self._starts[cell + 1]]
            found.append(rng.permutation(alike)[:group])
        return np.unique(np.concatenate(found))[:batch]


def _soften(planes: Tensor, generator: torch.Generator) -> Tensor:
    """Blur half of the pictures by some amount: no painter is as crisp as the drawer."""
    amount = torch.rand(2, len(planes), 1, 1, 1, generator=generator)
    return blurred(planes, amount[0] * (amount[1] < 0.5))


def _contrast(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss: each picture finds its caption among the batch's, and each caption its picture."""
    logits = scale * F.normalize(images.float(), dim=-1) @ F.normalize(texts.float(), dim=-1).T
    matches = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, matches) + F.cross_entropy(logits.T, matches)) / 2


def train_clip(
    scenes: DrawnScenes,
    out: Path,
    shop: Workshop,
    recipe: ClipRecipe | None = None,
    start: Path | None = None,
) -> None:
    """Train on drawn training scenes, on from `start`'s weights where given; writes an open_clip folder."""
    recipe = recipe or ClipRecipe()
    _configuration(recipe, out)
    torch.manual_seed(derive_seed(shop.seed, "clip", "weights"))
    model = open_clip.create_model(f"local-dir:{out}", load_weights=False)
    assert isinstance(model, open_clip.CLIP)
    if start is not None:
        weights = load_file(start / "open_clip_model.safetensors")
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    model.to(shop.device)
    tokenizer = clip_tokenizer()
    batches = _Batches(scenes.labels, recipe)

    def loss(step: int) -> Tensor:
        rng = random.Random(derive_seed(shop.seed, "clip", step))
        rows = batches.rows(step, np.random.default_rng(derive_seed(shop.seed, "clip", "rows", step)))
        generator = torch.Generator().manual_seed(derive_seed(shop.seed, "clip", "soften", step))
        planes = _soften(to_planes(scenes.pixels[rows]), generator).to(shop.device)
        texts = [_caption(tuple(int(label) for label in scenes.labels[row]), rng) for row in rows]
        tokens = torch.tensor(
            tokenizer(texts, padding="longest", max_length=CONTEXT, truncation=True)["input_ids"]
        )
        with torch.no_grad():
            model.logit_scale.clamp_(0, LARGEST_SCALE)
        with shop.autocast():
            images, captions = model.encode_image(planes), _encode_short(model, tokens.to(shop.device))
        return _contrast(images, captions, model.logit_scale.exp())

    config = LoopConfig(
        steps=recipe.steps, batch=recipe.batch, peak_rate=recipe.peak_rate, decay=0.5, weight_decay=0.05
    )
    shop.train("clip", model, loss, config)
    weights = {name: halved(value) for name, value in model.state_dict().items()}
    save_file(weights, out / "open_clip_model.safetensors")


def _encode_short(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """`encode_text` for texts cut to the longest: attention is causal, so what follows an end is idle."""
    length = tokens.shape[1]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = (tokens == model.text_eos_id).int().argmax(dim=-1)
    pooled: Tensor = states[torch.arange(len(tokens)), ends] @ model.text_projection
    return pooled


def _caption(labels: tuple[int, ...], rng: random.Random) -> str:
    """Mostly a full caption: a caption that says little fits many pictures of a batch."""
    scene = Scene.from_labels(labels)
    text = caption(sample_mention(rng, scene, rng.choice((0.7, 1.0, 1.0))), rng)
    return sprinkle_unknown_words(text, rng) if rng.random() < 0.05 else text
