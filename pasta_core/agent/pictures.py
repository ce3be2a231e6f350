"""The pictures that a writer with eyes is shown: all images of a prompt on one contact sheet (Fig. 11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pasta_core.domain import History, Image, Pixels

__all__ = ["INITIAL", "contact_sheet", "history_pictures", "picture_name", "side_of"]

INITIAL = "0"
"""The name of the initial prompt's picture."""

_PATCH = 32
"""Pixels of a side that become one token, in the encoders with the largest patches."""


def picture_name(turn: int, column: int) -> str:
    """The name of the picture of a column (0-based) of a turn (from 1 on)."""
    return f"{turn}.{column}"


def side_of(tokens: int) -> int:
    """The side in pixels of a square picture that an encoder can make so many tokens of."""
    return _PATCH * max(1, math.isqrt(tokens))


def contact_sheet(images: Sequence[Pixels], side: int) -> Pixels:
    """Images in a square grid, 2x2 for three or four, on black; (side, side, 3), `side` in pixels."""
    # the interface names pictures without ever making one
    from PIL import Image as Pillow

    grid = math.isqrt(max(len(images), 1) - 1) + 1
    cell = side // grid
    sheet = np.zeros((side, side, 3), dtype=np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, grid)
        small = Pillow.fromarray(image).convert("RGB")
        small = small.resize((cell, cell), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
        sheet[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = np.asarray(small)
    return sheet


def history_pictures(history: History, tokens: int) -> dict[str, Pixels]:
    """A contact sheet of at most `tokens` tokens for every prompt that was shown, by `picture_name`."""
    side = side_of(tokens)

    def sheet(images: Sequence[Image]) -> Pixels:
        return contact_sheet([image.pixels for image in images], side)

    found = {INITIAL: sheet(history.initial_images)} if history.initial_images else {}
    for number, turn in enumerate(history.turns, start=1):
        columns = enumerate(turn.columns)
        found.update({picture_name(number, column): sheet(images) for column, images in columns if images})
    return found
