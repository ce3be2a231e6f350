"""Model cards of the eyes, CLIP and the painter, written from what was just measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.microworld.grammar import HELD_OUT
from pasta_core.microworld.recipes.dataset import draw_held_out, draw_training_scenes
from pasta_core.microworld.recipes.workshop import Workshop

__all__ = ["measure_clip", "measure_eyes", "measure_painter"]

PROBED = 4000
"""Drawn training scenes that a linear probe is fitted to."""

_EYES = """\
# The eyes

Recognise subject, colour, setting, light, style and view of a 64x64 picture. They judge the painter and see
for the planted raters; they were frozen before the painter was trained, choose no checkpoint and no seed, and
share nothing with CLIP, the user model or the value model.

**Data.** Drawn training scenes (`pasta_core/microworld/drawer.py`), softened and disturbed at random; never a
painted picture, never a held-out scene. **Recipe.** `pasta_core/microworld/recipes/eyes_recipe.py`: a
residual network, AdamW, bfloat16 autocast.

**Measured** on {count:,} held-out drawn scenes (bar: 97 % each):

{table}
"""

_CLIP = """\
# The micro CLIP

An open_clip model (a ViT with 8x8 patches, a causal text tower, 96 dimensions) that embeds what is painted
and what is written.

**Data.** Drawn training scenes with captions in many phrasings, some with unknown words. **Recipe.**
`pasta_core/microworld/recipes/clip_recipe.py`: contrastive over batches of 256, by turns drawn freely and in
groups that only subject, colour and view tell apart; half of the pictures softened; AdamW, bfloat16 autocast.

`taste-space.safetensors` is what tastes of this CLIP live in, learned from simulated sessions: `pasta
simulate --users model --embeddings`, then `pasta taste space` (`docs/taste.md`). Another CLIP needs another.

**Measured** on {count:,} held-out drawn scenes: caption to image, recall at 1 among 100 distinct scenes,
**{recall:.1%}** (bar: 85 %).

Zero-shot tags, the phrase nearest to a picture (`captions.toml` names those that the writer is told):

{tags}

How much of each archetype's planted taste a linear probe reads from the image embedding (R^2 on held-out
scenes, fitted to {probed:,} training scenes, individual 0, hash of the raters' file `{raters}`):

{table}
"""

_PAINTER = """\
# The micro painter

A `StableDiffusionXLPipeline`: two text encoders, a UNet with SDXL's micro-conditioning, an `AutoencoderTiny`
with 8x8x8 latents, {steps} DDIM steps, guidance {guidance}.

**Data.** Drawn training scenes with captions in many phrasings, attributes left out, abstract ideas, unknown
words; none of the held-out scenes. **Recipe.** `autoencoder_recipe.py`, `painter_text.py` (the text encoders
learn to name what a caption says, then are frozen) and `painter_recipe.py` (v-prediction, zero terminal SNR,
averaged weights; `latent_recogniser.py`, which has no part in the eyes, tells the denoiser in training what
its pictures do not show) under `pasta_core/microworld/recipes/`.

**Measured**: one picture for each of {count:,} held-out scenes from a full caption, judged by the eyes:

{table}
"""


def _rows(header: str, rows: Mapping[str, str]) -> str:
    lines = [header, "|---" * (header.count("|") - 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows.items())])


def _write(folder: Path, card: str, measured: Mapping[str, Any]) -> None:
    (folder / "README.md").write_text(card)
    (folder / "bars.json").write_text(json.dumps(measured, indent=2) + "\n")


def measure_eyes(out: Path, shop: Workshop) -> None:
    """Measure the eyes in `out` on drawn held-out scenes and write their card."""
    from pasta_core.microworld.eyes import Eyes
    from pasta_core.microworld.recipes.eyes_recipe import accuracy

    measured = accuracy(Eyes.load(out / "eyes"), draw_held_out(shop.seed))
    table = _rows("| attribute | accuracy |", {name: f"{share:.1%}" for name, share in measured.items()})
    _write(out / "eyes", _EYES.format(count=HELD_OUT, table=table), measured)


def measure_clip(out: Path, shop: Workshop) -> None:
    """Measure CLIP's retrieval and its linear probes on drawn held-out scenes and write its card."""
    from pasta_core.microworld.eyes import Eyes
    from pasta_core.microworld.raters import PlantedRater, RaterSheet
    from pasta_core.microworld.recipes.clip_bars import recall_at_one, tag_accuracy, utility_probes
    from pasta_core.users.clip import ClipEncoder

    clip, eyes, assets = ClipEncoder.load(out / "clip"), Eyes.load(out / "eyes"), out.parent
    held_out = draw_held_out(shop.seed)
    training = draw_training_scenes(shop.folder, PROBED, shop.seed + 1, lambda done, total: None)
    sheet = RaterSheet.load(assets)
    raters = [PlantedRater.load(f"planted:{archetype.name}", assets, eyes) for archetype in sheet.archetypes]
    probes = utility_probes(clip, raters, training, held_out)
    recall = recall_at_one(clip, held_out, shop.seed)
    told = tag_accuracy(clip, held_out)
    card = _CLIP.format(
        count=HELD_OUT,
        recall=recall,
        tags=_rows("| attribute | right |", {name: f"{share:.1%}" for name, share in told.items()}),
        probed=PROBED,
        raters=sheet.sha256[:12],
        table=_rows("| archetype | R^2 |", {name: f"{value:.2f}" for name, value in probes.items()}),
    )
    measured = {"recall_at_one": recall, "tags": told, "utility_probe": probes, "raters": sheet.sha256}
    _write(out / "clip", card, measured)


def measure_painter(out: Path, shop: Workshop, count: int = HELD_OUT) -> None:
    """Paint held-out scenes, let the eyes judge them beside the drawn ones, and write the painter's card."""
    from pasta_core.microworld.eyes import Eyes
    from pasta_core.microworld.recipes.eyes_recipe import accuracy
    from pasta_core.microworld.recipes.painter_bars import BARS, painter_accuracy
    from pasta_core.painter.diffusers_painter import DiffusersPainter
    from pasta_core.paths import locate
    from pasta_core.profiles import load_profile

    profile = replace(load_profile("micro", locate({})).painter, model=out / "painter")
    painter = DiffusersPainter.load(profile, lanes=2)
    eyes = Eyes.load(out / "eyes")

    def tell(done: int, total: int) -> None:
        shop.report("measuring", {"step": done, "steps": total})

    painted = painter_accuracy(painter, eyes, count, shop.seed, tell)
    drawn = accuracy(eyes, draw_held_out(shop.seed, count))
    rows = {name: f"{painted[name]:.1%} | {BARS[name]:.0%} | {drawn[name]:.1%}" for name in BARS}
    table = _rows("| attribute | painted | bar | drawn |", rows)
    card = _PAINTER.format(steps=profile.steps, guidance=profile.guidance, count=count, table=table)
    _write(out / "painter", card, {"painted": painted, "drawn": drawn, "count": count})
