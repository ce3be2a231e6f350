"""Pictures in real pixels, as kitty graphics or Sixel."""

from __future__ import annotations

from collections.abc import Callable

from pasta_tui.terminal import kitty
from pasta_tui.terminal.graphics import Graphics, Protocol
from pasta_tui.terminal.sixel import encode_sixel
from pasta_tui.widgets.fitting import USUAL_CELL, Box, Pixels, reduced
from pasta_tui.widgets.strips import KittyImage, SixelImage

__all__ = ["SharpImage", "encoded", "is_quick"]

SharpImage = KittyImage | SixelImage
_AT_ONCE = 128 * 128
"""Pixels that kitty's protocol takes in about a millisecond."""


def is_quick(pixels: Pixels, graphics: Graphics) -> bool:
    """Whether encoding takes less than the interface can spare; else it belongs beside it."""
    return graphics.protocol is Protocol.KITTY and pixels.shape[0] * pixels.shape[1] <= _AT_ONCE


def encoded(
    pixels: Pixels,
    box: Box,
    graphics: Graphics,
    replaces: KittyImage | None,
    began: Callable[[], None],
) -> SharpImage:
    """The picture for a box of cells; `began` is called when a frame begins to write a Sixel's cells."""
    cell = graphics.cell_now() or USUAL_CELL
    if graphics.protocol is Protocol.SIXEL:
        code = encode_sixel(pixels, box.cells * cell.width, box.lines * cell.height)
        return SixelImage(code, box.lines, began)
    number = graphics.numbers.take()
    code = kitty.transmit(reduced(pixels, box, cell), number, box.cells, box.lines, graphics.tmux)
    gone = kitty.delete(replaces.number, graphics.tmux) if replaces is not None and replaces.sent else ""
    return KittyImage(number, gone + code)
