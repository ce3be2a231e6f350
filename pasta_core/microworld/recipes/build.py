"""Building the micro models part by part: each trained by its recipe, measured, and given a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pasta_core.errors import InvalidInput
from pasta_core.microworld.image_captions import caption_sheet, sheet_text
from pasta_core.microworld.recipes.cards import measure_clip, measure_eyes, measure_painter
from pasta_core.microworld.recipes.dataset import DrawnScenes, draw_training_scenes
from pasta_core.microworld.recipes.workshop import Workshop

__all__ = ["PARTS", "Part", "build"]

SCENES = 160_000
"""Drawn training scenes."""

WRITER_MINUTES = 30.0
"""About how long the writer learns; it plans its steps by this."""


def _scenes(shop: Workshop) -> DrawnScenes:
    def tell(done: int, total: int) -> None:
        shop.report("scenes", {"step": done, "steps": total})

    return draw_training_scenes(shop.folder, SCENES, shop.seed, tell)


def _build_eyes(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.eyes_recipe import train_eyes

    train_eyes(_scenes(shop), out / "eyes", shop)
    measure_eyes(out, shop)


def _build_raters(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.rater_page import write_rater_page

    write_rater_page(out, shop)


def _build_autoencoder(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.autoencoder_recipe import train_autoencoder

    train_autoencoder(_scenes(shop), shop.folder / "vae", shop)


def _build_clip(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.clip_recipe import train_clip

    train_clip(_scenes(shop), out / "clip", shop, start=None if start is None else start / "clip")
    (out / "clip" / "captions.toml").write_text(sheet_text(caption_sheet()))
    measure_clip(out, shop)


def _build_writer(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.writer_recipe import train_writer

    train_writer(out / "writer", shop.folder, shop.seed, shop.report, WRITER_MINUTES, resume=True)


def _build_painter(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.painter_build import build_painter

    build_painter(_scenes(shop), out / "painter", shop, None if start is None else start / "painter")
    measure_painter(out, shop)


def _build_value_base(out: Path, shop: Workshop, start: Path | None) -> None:
    from pasta_core.microworld.recipes.value_recipe import train_value_base

    train_value_base(out / "value-base", shop)


Part = Callable[[Path, Workshop, Path | None], None]
"""Builds one part into a folder, from data and checkpoints in a workshop, or on from weights."""

PARTS: Mapping[str, Part] = {
    "eyes": _build_eyes,
    "raters": _build_raters,
    "autoencoder": _build_autoencoder,
    "clip": _build_clip,
    "writer": _build_writer,
    "value-base": _build_value_base,
    "painter": _build_painter,
}
"""Every part and what builds it, in the order of need: the eyes are frozen before the painter begins."""


def build(
    parts: Sequence[str],
    out: Path,
    shop: Workshop,
    start: Path | None = None,
    makers: Mapping[str, Part] = PARTS,
) -> None:
    """Train the named parts (all where none is named) into `out`, in the order of their `makers`.

    Each part resumes from its checkpoint in the workshop's folder; without one it begins from the weights
    in `start` (a folder like `assets/micro`) where that is given. An unknown name is `InvalidInput`.
    """
    unknown = [part for part in parts if part not in makers]
    if unknown:
        raise InvalidInput(f"there is no part {unknown[0]!r}", f"the parts are {', '.join(makers)}")
    for part, make in makers.items():
        if not parts or part in parts:
            make(out, shop, start)
            if shop.stop():
                return
