"""Pictures as lines of text: blocks of two colours a cell, or shades where there is no colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from pasta_tui.terminal.capabilities import Colours

__all__ = ["BlockLine", "contact_sheet", "encode", "mosaic", "sheet_shape"]

Rgba = npt.NDArray[np.uint8]
"""(2 * lines, 2 * cells, 4): four pixels a cell, alpha 0 or 255."""
_Colours = npt.NDArray[np.float32]

_RESET = "\x1b[0m"
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"
_CUBE = np.array([0, 95, 135, 175, 215, 255], np.float32)
_CUBE_BORDERS = (_CUBE[1:] + _CUBE[:-1]) / 2
_GREYS = np.arange(8, 247, 10, dtype=np.float32)
_PALETTE = np.concatenate(
    [
        np.stack(np.meshgrid(_CUBE, _CUBE, _CUBE, indexing="ij"), -1).reshape(-1, 3),
        _GREYS[:, None].repeat(3, 1),
    ]
)
"""The 6x6x6 cube and the 24 greys of the 256-colour palette, (240, 3)."""
_FIRST = 16
"""The number of its first colour; the ones before it look different everywhere."""
_BLOCKS = ("▀", "▌", "▘", "▝", "▖", "▗", "▚")
"""The half block comes first: of blocks that fit equally well the first is taken."""
_FOREGROUND = np.array(
    [
        [1, 1, 0, 0],
        [1, 0, 1, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 0, 0, 1],
    ],
    np.float32,
)
"""Which of a cell's pixels (upper left, upper right, lower left, lower right) each block covers."""


class Palette(Protocol):
    """What a place to draw can show; `Terminal` and `Graphics` both say it."""

    @property
    def colours(self) -> Colours: ...
    @property
    def unicode(self) -> bool: ...
    @property
    def quadrants(self) -> bool: ...


@dataclass(frozen=True)
class BlockLine:
    """One line of a picture without gaps."""

    ansi: str
    """Ready to be written; colours end with the line."""
    glyphs: str
    fore: npt.NDArray[np.uint8] | None
    """(cells, 3); None where the line has no colours."""
    back: npt.NDArray[np.uint8] | None


def sheet_shape(count: int) -> tuple[int, int]:
    """Rows and columns of the squarest grid that holds `count` images."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    return -(-count // columns), columns


def contact_sheet(images: Sequence[npt.NDArray[np.uint8]], width: int, columns: int | None = None) -> Rgba:
    """Lay RGB images (height, width, 3) out in a grid of `width` cells, a narrow gap between them."""
    across = columns or sheet_shape(len(images))[1]
    down = -(-len(images) // across)
    cells = max(1, (width - (across - 1)) // across)
    aspect = images[0].shape[0] / images[0].shape[1]
    height = max(1, round(cells * aspect))
    sheet = np.zeros((down * (height + 1) - 1, 2 * (across * (cells + 1) - 1), 4), np.uint8)
    for place, pixels in enumerate(images):
        top, left = (place // across) * (height + 1), 2 * (place % across) * (cells + 1)
        scaled = Image.fromarray(pixels).resize((2 * cells, height), Image.Resampling.BOX)
        sheet[top : top + height, left : left + 2 * cells, :3] = np.asarray(scaled)
        sheet[top : top + height, left : left + 2 * cells, 3] = 255
    return sheet


def encode(sheet: Rgba, terminal: Palette) -> list[str]:
    """Encode a sheet as lines, each as wide as the sheet and self-contained (colours end with the line)."""
    if sheet.shape[0] % 2:
        sheet = np.concatenate([sheet, np.zeros((1, *sheet.shape[1:]), np.uint8)])
    quarters = _quarters(sheet)
    rgb, there = quarters[..., :3].astype(np.float32), quarters[..., 3] > 0
    if terminal.colours is Colours.NONE or not terminal.unicode:
        return _shades(rgb, there, terminal)
    chosen, fore, back = _fitted(rgb, terminal)
    # Where a gap runs through a cell there is no room for two colours beside it.
    whole = there.all(axis=-1)
    chosen[~whole], fore[~whole], back[~whole] = 0, rgb[~whole][:, :2].mean(1), rgb[~whole][:, 2:].mean(1)
    names = _names(terminal.colours)
    return [
        _gapped_line(chosen[y], there[y, :, 0], there[y, :, 2], names(fore[y]), names(back[y]))
        for y in range(len(chosen))
    ]


def mosaic(pixels: npt.NDArray[np.uint8], cells: int, lines: int, terminal: Palette) -> list[BlockLine]:
    """Scale one RGB image (height, width, 3) to so many cells and lines, four pixels a cell."""
    small = cells * 2 <= pixels.shape[1] and lines * 2 <= pixels.shape[0]
    way = Image.Resampling.BOX if small else Image.Resampling.BICUBIC
    scaled = np.asarray(Image.fromarray(pixels).resize((2 * cells, 2 * lines), way))
    rgb = _quarters(scaled).astype(np.float32)
    if terminal.colours is Colours.NONE or not terminal.unicode:
        shades = _shades(rgb, np.ones(rgb.shape[:3], np.bool_), terminal)
        return [BlockLine(line, line, None, None) for line in shades]
    chosen, fore, back = _fitted(rgb, terminal)
    fore, back = fore.round().astype(np.uint8), back.round().astype(np.uint8)
    names = _names(terminal.colours)
    inks, papers = names(fore.reshape(-1, 3)), names(back.reshape(-1, 3))
    rows = [slice(y * cells, (y + 1) * cells) for y in range(lines)]
    return [
        BlockLine(*_line(chosen[y], inks[row], papers[row]), fore[y], back[y]) for y, row in enumerate(rows)
    ]


def _quarters(sheet: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(2 * lines, 2 * cells, k) -> (lines, cells, 4, k)."""
    lines, cells, depth = sheet.shape[0] // 2, sheet.shape[1] // 2, sheet.shape[2]
    return sheet.reshape(lines, 2, cells, 2, depth).transpose(0, 2, 1, 3, 4).reshape(lines, cells, 4, depth)


def _fitted(rgb: _Colours, terminal: Palette) -> tuple[npt.NDArray[np.intp], _Colours, _Colours]:
    """For each cell the block and the two colours that come closest to its four pixels."""
    foreground = _FOREGROUND[: len(_BLOCKS) if terminal.quadrants else 1]
    background = 1 - foreground
    fore = np.tensordot(foreground / foreground.sum(1, keepdims=True), rgb, axes=(1, 2))
    back = np.tensordot(background / background.sum(1, keepdims=True), rgb, axes=(1, 2))
    # The squared error of a block is that of the pixels less what its two means explain.
    explained = foreground.sum(1)[:, None, None] * (fore**2).sum(-1)
    explained += background.sum(1)[:, None, None] * (back**2).sum(-1)
    if terminal.colours is Colours.INDEXED:
        means = fore, back
        fore, back = (_PALETTE[_nearest(colours)] for colours in means)
        explained -= foreground.sum(1)[:, None, None] * ((fore - means[0]) ** 2).sum(-1)
        explained -= background.sum(1)[:, None, None] * ((back - means[1]) ** 2).sum(-1)
        # Two shades of one colour on both sides of a border of the palette would become a chequerboard.
        contrast = ((fore - back) ** 2).sum(-1) - ((means[0] - means[1]) ** 2).sum(-1)
        explained -= np.maximum(contrast, 0)
    # Rounded, so that blocks that fit equally well are told apart by their order and not by the last bit.
    chosen = np.round(explained / 16).argmax(axis=0)
    lines, cells = np.indices(chosen.shape)
    return chosen, fore[chosen, lines, cells], back[chosen, lines, cells]


def _line(chosen: npt.NDArray[np.intp], fore: Sequence[str], back: Sequence[str]) -> tuple[str, str]:
    """Escape codes only where the colours change, and the bare glyphs."""
    glyphs = [_BLOCKS[block] for block in chosen.tolist()]
    cells: list[str] = []
    last = ("", "")
    for glyph, pair in zip(glyphs, zip(fore, back, strict=True), strict=True):
        cells.append(glyph if pair == last else f"\x1b[38;{pair[0]};48;{pair[1]}m{glyph}")
        last = pair
    return "".join(cells) + _RESET, "".join(glyphs)


def _gapped_line(
    chosen: npt.NDArray[np.intp],
    upper: npt.NDArray[np.bool_],
    lower: npt.NDArray[np.bool_],
    fore: Sequence[str],
    back: Sequence[str],
) -> str:
    cells: list[str] = []
    current = ""
    for x, block in enumerate(chosen.tolist()):
        if upper[x] and lower[x]:
            code, glyph = f"\x1b[38;{fore[x]};48;{back[x]}m", _BLOCKS[block]
        elif upper[x]:
            code, glyph = f"\x1b[49;38;{fore[x]}m", "▀"
        elif lower[x]:
            code, glyph = f"\x1b[49;38;{back[x]}m", "▄"
        else:
            code, glyph = _RESET, " "
        cells.append(glyph if code == current else code + glyph)
        current = code
    return "".join(cells) + _RESET


def _names(colours: Colours) -> Callable[[npt.NDArray[np.number[Any]]], Sequence[str]]:
    """How colours (cells, 3) are spelled in an escape code, behind `38;` or `48;`."""
    return _true_colours if colours is Colours.TRUE else _indexed_colours


def _true_colours(row: npt.NDArray[np.number[Any]]) -> Sequence[str]:
    return [f"2;{r};{g};{b}" for r, g, b in row.round().astype(np.uint8).tolist()]


def _indexed_colours(row: npt.NDArray[np.number[Any]]) -> Sequence[str]:
    return [f"5;{value + _FIRST}" for value in _nearest(row).tolist()]


def _nearest(colours: npt.NDArray[np.number[Any]]) -> npt.NDArray[np.intp]:
    """For colours (..., 3) the place in `_PALETTE` of the nearest one."""
    colours = colours.astype(np.float32)
    steps = np.searchsorted(_CUBE_BORDERS, colours)
    cube = 36 * steps[..., 0] + 6 * steps[..., 1] + steps[..., 2]
    grey = 216 + np.clip((colours.mean(axis=-1) - 8) / 10, 0, 23).round().astype(np.intp)
    errors = [((colours - _PALETTE[place]) ** 2).sum(axis=-1) for place in (cube, grey)]
    return np.where(errors[1] < errors[0], grey, cube)


def _shades(rgb: _Colours, there: npt.NDArray[np.bool_], terminal: Palette) -> list[str]:
    ramp = _SHADES if terminal.unicode else _ASCII_SHADES
    light = (rgb @ np.array([0.299, 0.587, 0.114])) * there
    count = there.sum(axis=-1)
    mean = np.divide(light.sum(axis=-1), count, out=np.zeros(count.shape), where=count > 0)
    level = (mean / 256 * len(ramp)).astype(int)
    return ["".join(ramp[value] for value in row) for row in level]
