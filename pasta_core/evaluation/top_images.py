"""Fig. 4: the images of a test set that each user type likes best, as contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from pasta_core.data.images import ImageReference, UnreadableImage
from pasta_core.domain import Pixels
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.labels import LabelRows
from pasta_core.evaluation.preferences import Array
from pasta_core.files import make_directory, write_atomically

__all__ = ["TOP", "best_images", "sheet_of", "write_sheets"]

TOP = 5
"""Images a type (Fig. 4)."""

_MARGIN = 4


def best_images(labels: LabelRows, scores: Array, count: int = TOP) -> list[list[ImageReference]]:
    """The `count` distinct images of all rankings with the highest scores (u, K), best first, for each type.

    An image is scored for its own prompt, and counts once, at its best. `labels` must have kept references.
    """
    references = labels.references or {}
    ranked = sorted({use for ranking in labels.rankings for use in ranking.uses})
    if not ranked:
        raise InvalidInput("there are no ranked images to show", "--top-images needs --data hpd:PATH")
    rows = np.array([row for row, _ in labels.uses], np.int64)[ranked]
    best = []
    for type_scores in scores[ranked].T:
        ordered = dict.fromkeys(rows[np.argsort(-type_scores, kind="stable")].tolist())
        best.append([references[row] for row in list(ordered)[:count]])
    return best


def sheet_of(rows: Sequence[Sequence[Pixels]], side: int) -> Pixels:
    """Rows of pictures on white, each fitted into a square of `side` pixels; RGB (height, width, 3)."""
    columns = max(len(row) for row in rows)
    step = side + _MARGIN
    sheet = PillowImage.new("RGB", (columns * step + _MARGIN, len(rows) * step + _MARGIN), "white")
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            picture = PillowImage.fromarray(pixels)
            scale = side / max(picture.size)
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            place = (
                _MARGIN + x * step + (side - size[0]) // 2,
                _MARGIN + y * step + (side - size[1]) // 2,
            )
            sheet.paste(picture.resize(size, PillowImage.Resampling.LANCZOS), place)
    return np.asarray(sheet, np.uint8)


def write_sheets(best: Sequence[Sequence[ImageReference]], folder: Path, side: int = 160) -> list[Path]:
    """Write `type-N.png` for each type, numbered from 1, and all of them as rows of `types.png`.

    An image that can no longer be read is left blank.
    """
    make_directory(folder)
    rows = [[_opened(reference) for reference in row] for row in best]
    sheets = {f"type-{number}.png": [row] for number, row in enumerate(rows, 1)} | {"types.png": rows}
    paths = []
    for name, shown in sheets.items():
        data = BytesIO()
        PillowImage.fromarray(sheet_of(shown, side)).save(data, format="PNG")
        paths.append(folder / name)
        write_atomically(paths[-1], data.getvalue())
    return paths


def _opened(reference: ImageReference) -> Pixels:
    try:
        return reference.open()
    except UnreadableImage:
        return np.full((1, 1, 3), 255, np.uint8)
