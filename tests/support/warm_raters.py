"""Small data sets of drawn scenes in Pick-a-Pic's layout, whose raters like warm pictures or cold ones."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene

__all__ = ["write_pickapic"]


def write_pickapic(folder: Path, raters: int, labels: int, pictures: int = 24) -> Path:
    """A train split of `raters` people who give `labels` labels each; every other person likes the cold."""
    folder.mkdir(parents=True)
    rng = random.Random(0)
    drawn = [draw(sample_scene(rng), seed) for seed in range(pictures)]
    warmth = [float(pixels[..., 0].mean() - pixels[..., 2].mean()) for pixels in drawn]
    encoded = [_png(pixels) for pixels in drawn]
    rows = []
    for user in range(raters):
        for number in range(labels):
            first, second = rng.sample(range(pictures), 2)
            wins = (warmth[first] > warmth[second]) == (user % 2 == 0)
            rows.append(
                {
                    "caption": f"a picture {number % 3}",
                    "image_0_uid": f"picture-{first}",
                    "image_1_uid": f"picture-{second}",
                    "jpg_0": encoded[first],
                    "jpg_1": encoded[second],
                    "label_0": float(wins),
                    "label_1": float(not wins),
                    "user_id": user,
                    "ranking_id": user * labels + number,
                    "has_label": True,
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001-0000.parquet")
    return folder


def _png(pixels: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")  # type: ignore[arg-type]
    return file.getvalue()
