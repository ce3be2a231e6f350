"""How large a picture is in cells, and in the pixels that a terminal gets of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pasta_tui.terminal import kitty
from pasta_tui.terminal.capabilities import CellSize
from pasta_tui.terminal.graphics import Protocol
from pasta_tui.terminal.sixel import LONGEST_SIDE

__all__ = ["USUAL_CELL", "Box", "Pixels", "fitted", "largest", "reduced"]

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3), RGB."""
USUAL_CELL = CellSize(10, 20)


class Box(NamedTuple):
    """A rectangle of cells."""

    cells: int
    lines: int


def fitted(room: Box, pixels: Pixels, cell: CellSize | None) -> Box:
    """The largest box of the picture's shape within `room`, at least one cell; an unknown cell is 1:2."""
    width, height = cell or USUAL_CELL
    lines_per_cell = pixels.shape[0] / pixels.shape[1] * width / height
    cells = min(room.cells, round(room.lines / lines_per_cell))
    return Box(max(1, cells), max(1, min(room.lines, round(cells * lines_per_cell))))


def largest(room: Box, protocol: Protocol, cell: CellSize | None) -> Box:
    """`room` as far as the protocol can fill it."""
    width, height = cell or USUAL_CELL
    match protocol:
        case Protocol.KITTY:
            limit = Box(kitty.LARGEST, kitty.LARGEST)
        case Protocol.SIXEL:
            limit = Box(max(1, LONGEST_SIDE // width), max(1, LONGEST_SIDE // height))
        case _:
            limit = room
    return Box(min(room.cells, limit.cells), min(room.lines, limit.lines))


def reduced(pixels: Pixels, box: Box, cell: CellSize | None) -> Pixels:
    """No more pixels than the box shows; a smaller picture stays as it is, the terminal enlarges it."""
    width, height = cell or USUAL_CELL
    share = max(box.cells * width / pixels.shape[1], box.lines * height / pixels.shape[0])
    if share >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
