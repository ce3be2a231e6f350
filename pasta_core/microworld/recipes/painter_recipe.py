"""Training the painter: an SDXL-shaped denoiser on the autoencoder's latents of drawn scenes.

v-prediction on a schedule whose last step is pure noise, sampled at trailing steps: with few steps the
picture's brightness and palette would otherwise stay near the training mean.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor

from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.drawer import SIDE
from pasta_core.microworld.eyes import to_planes
from pasta_core.microworld.grammar import ATTRIBUTES, IDEAS, Attributes, Scene
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.microworld.recipes.latent_recogniser import UNSAID, recognition_loss, train_recogniser
from pasta_core.microworld.recipes.painter_text import PainterText, idea_caption, sprinkle_unknown_words
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig

__all__ = ["PainterRecipe", "latents_of", "save_pipeline", "train_denoiser"]


@dataclass(frozen=True)
class PainterRecipe:
    """What the shipped denoiser was trained with."""

    channels: tuple[int, int] = (128, 160)
    steps: int = 6800
    batch: int = 64
    peak_rate: float = 1e-3
    average: float = 0.999
    empty: float = 0.08
    """Share of pictures trained without a caption, so that guidance is possible."""
    ideas: float = 0.05
    """Share of pictures captioned with an abstract idea only (§6.4)."""
    unknown: float = 0.06
    """Share of captions with words nobody knows."""
    sampling_steps: int = 4
    """The steps that the profile samples with; their noise levels are the ones that matter most."""
    at_sampling_steps: float = 0.5
    """Share of each batch trained at exactly those noise levels; the rest is spread over the schedule."""
    recognition: float = 0.1
    """Weight of what a frozen recogniser misses in the predicted picture, beside the squared error."""
    shard: str = "12MB"


def new_denoiser(recipe: PainterRecipe, text_width: int, pooled_width: int) -> UNet2DConditionModel:
    """An untrained UNet of SDXL's shape: cross-attention below the top level, micro-conditioning on sizes."""
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=recipe.channels,
        layers_per_block=2,
        transformer_layers_per_block=1,
        attention_head_dim=(4, 5),
        use_linear_projection=True,
        norm_num_groups=32,
        cross_attention_dim=text_width,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=pooled_width + 6 * 32,
    )


def new_scheduler() -> DDIMScheduler:
    """SDXL's betas, rescaled to end in pure noise."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )


def latents_of(autoencoder: AutoencoderTiny, scenes: DrawnScenes, shop: Workshop) -> npt.NDArray[np.float16]:
    """Encode all pictures once, (n, 8, 8, 8) in half precision, kept beside the checkpoints.

    The file is named by the autoencoder's weights, so that another one's latents are never taken for them.
    """
    cache = shop.folder / f"latents-{_fingerprint(autoencoder)}-{len(scenes)}.npy"
    if not cache.exists():
        partial = cache.with_suffix(".partial.npy")
        np.save(partial, _encode(autoencoder, scenes, shop))
        partial.rename(cache)
    return np.asarray(np.load(cache))


def _fingerprint(autoencoder: AutoencoderTiny) -> str:
    weights = (value.half().cpu().numpy().tobytes() for value in autoencoder.state_dict().values())
    return hashlib.sha256(b"".join(weights)).hexdigest()[:12]


@torch.inference_mode()
def _encode(autoencoder: AutoencoderTiny, scenes: DrawnScenes, shop: Workshop) -> npt.NDArray[np.float16]:
    autoencoder = autoencoder.float().eval().to(shop.device, memory_format=torch.channels_last)
    latents = np.empty((len(scenes), 8, SIDE // 8, SIDE // 8), np.float16)
    for start in range(0, len(scenes), 500):
        planes = to_planes(scenes.pixels[start : start + 500])
        with shop.autocast():
            encoded = autoencoder.encode(planes.to(shop.device, memory_format=torch.channels_last)).latents
        latents[start : start + 500] = encoded.float().cpu().numpy()
        if start % 10_000 == 0:
            shop.report("latents", {"step": start, "steps": len(scenes)})
    return latents


def _rows_by_idea(labels: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    """For each idea the pictures whose every attribute is one that the idea is tied to."""
    rows = {}
    for idea, ties in IDEAS.items():
        fitting = np.ones(len(labels), bool)
        for index, (name, values) in enumerate(ATTRIBUTES.items()):
            if name in ties:
                fitting &= np.isin(labels[:, index], [values.index(value) for value in ties[name]])
        rows[idea] = np.flatnonzero(fitting)
    return rows


@dataclass(frozen=True)
class _Batch:
    """Pictures by row, their captions, and the labels of what each caption says, `UNSAID` for the rest."""

    rows: list[int]
    texts: list[str]
    said: Tensor


class _Batches:
    """Draws the pictures and captions of a step."""

    def __init__(self, labels: npt.NDArray[np.int64], recipe: PainterRecipe, seed: int) -> None:
        self._labels = labels
        self._recipe = recipe
        self._seed = seed
        self._by_idea = _rows_by_idea(labels)
        self._ideas = [idea for idea, rows in self._by_idea.items() if len(rows) >= 20]

    def draw(self, step: int) -> _Batch:
        rng = random.Random(derive_seed(self._seed, "painter", step))
        rows, texts, said = zip(*(self._draw_one(rng) for _ in range(self._recipe.batch)), strict=True)
        return _Batch(list(rows), list(texts), torch.tensor(said))

    def _draw_one(self, rng: random.Random) -> tuple[int, str, tuple[int, ...]]:
        kind = rng.random()
        if kind < self._recipe.ideas:
            idea = rng.choice(self._ideas)
            return int(rng.choice(self._by_idea[idea])), idea_caption(idea, rng), _said_labels(Attributes())
        row = rng.randrange(len(self._labels))
        if kind < self._recipe.ideas + self._recipe.empty:
            return row, "", _said_labels(Attributes())
        scene = Scene.from_labels(tuple(int(label) for label in self._labels[row]))
        said = sample_mention(rng, scene)
        text = caption(said, rng)
        if rng.random() < self._recipe.unknown:
            text = sprinkle_unknown_words(text, rng)
        return row, text, _said_labels(said)


def _said_labels(said: Attributes) -> tuple[int, ...]:
    known = said.known()
    return tuple(
        values.index(known[name]) if name in known else UNSAID for name, values in ATTRIBUTES.items()
    )


def size_conditions(count: int) -> Tensor:
    """SDXL's micro-conditioning: original size, crop, target size."""
    return torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * count, dtype=torch.float32)


def training_times(recipe: PainterRecipe, generator: torch.Generator) -> Tensor:
    """Noise levels for one batch, (batch,) in [0, 999]: the sampled ones in turn, then the whole schedule.

    The second part is stratified, so that every batch sees all noise levels.
    """
    scheduler = new_scheduler()
    scheduler.set_timesteps(recipe.sampling_steps)
    at_steps = round(recipe.batch * recipe.at_sampling_steps)
    spread = recipe.batch - at_steps
    sampled = scheduler.timesteps[torch.arange(at_steps) % recipe.sampling_steps]
    shares = (torch.arange(spread) + torch.rand(spread, generator=generator)) / max(spread, 1)
    return torch.cat([sampled, (shares * len(scheduler.alphas_cumprod)).long()])


def train_denoiser(
    latents: npt.NDArray[np.float16],
    labels: npt.NDArray[np.int64],
    text: PainterText,
    shop: Workshop,
    recipe: PainterRecipe | None = None,
    start: UNet2DConditionModel | None = None,
) -> UNet2DConditionModel:
    """Train the denoiser, from `start`'s weights where given; returns the averaged weights.

    Beside the squared error of the velocity it pays for what the predicted picture does not show of its
    caption, from pure noise on: with few steps the first prediction decides what the picture becomes.
    """
    recipe = recipe or PainterRecipe()
    torch.manual_seed(derive_seed(shop.seed, "painter", "weights"))
    widths = (text.first.config.hidden_size, text.second.config.hidden_size)
    recogniser = train_recogniser(latents, labels, shop)
    model = start or new_denoiser(recipe, sum(widths), widths[1])
    model = model.to(shop.device, memory_format=torch.channels_last)
    batches = _Batches(labels, recipe, shop.seed)
    alphas = new_scheduler().alphas_cumprod
    sizes = size_conditions(recipe.batch).to(shop.device)

    def loss(step: int) -> Tensor:
        batch = batches.draw(step)
        generator = torch.Generator().manual_seed(derive_seed(shop.seed, "painter", "noise", step))
        clean = torch.from_numpy(latents[batch.rows]).float()
        noise = torch.randn(clean.shape, generator=generator)
        times = training_times(recipe, generator)
        kept = alphas[times][:, None, None, None].sqrt()
        lost = (1 - kept**2).sqrt()
        noisy = (kept * clean + lost * noise).to(shop.device, memory_format=torch.channels_last)
        velocity = (kept * noise - lost * clean).to(shop.device)
        kept, lost = kept.to(shop.device), lost.to(shop.device)
        with shop.autocast():
            with torch.no_grad():
                sequence, pooled = text(text.tokens(batch.texts).to(shop.device))
            conditions = {"text_embeds": pooled, "time_ids": sizes}
            predicted = model(noisy, times.to(shop.device), sequence, added_cond_kwargs=conditions).sample
            seen = recogniser(kept * noisy - lost * predicted)
        missed = recognition_loss(seen, batch.said.to(shop.device)).mean()
        return F.mse_loss(predicted.float(), velocity) + recipe.recognition * missed

    config = LoopConfig(
        steps=recipe.steps,
        batch=recipe.batch,
        peak_rate=recipe.peak_rate,
        warm_up=200,
        average=recipe.average,
        weight_decay=0.01,
    )
    return shop.train("painter", model, loss, config)


def save_pipeline(
    out: Path, autoencoder: AutoencoderTiny, text: PainterText, denoiser: UNet2DConditionModel, shard: str
) -> None:
    """Save everything, in half precision, as `StableDiffusionXLPipeline.from_pretrained` loads it."""
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder,
        text_encoder=text.first,
        text_encoder_2=text.second,
        tokenizer=text.tokenizer,
        tokenizer_2=text.tokenizer,
        unet=denoiser,
        scheduler=new_scheduler(),
        add_watermarker=False,
        force_zeros_for_empty_prompt=False,
    )
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(out, safe_serialization=True, max_shard_size=shard)
    for file in out.glob("**/*.json"):
        _forget_origin(file)


def _forget_origin(file: Path) -> None:
    """Take out the folder that a part was loaded from: it names the machine that trained it."""
    config = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
