"""Pictures as lines of text: blocks of two colours a cell, or shades where there is no colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from pasta_tui.terminal.capabilities import Colours, Terminal

__all__ = ["contact_sheet", "encode", "sheet_shape"]

Rgba = npt.NDArray[np.uint8]
"""(2 * lines, 2 * cells, 4): four pixels a cell, alpha 0 or 255."""
_Colours = npt.NDArray[np.float64]

_RESET = "\x1b[0m"
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"
_CUBE = np.array([0, 95, 135, 175, 215, 255])
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
    np.float64,
)
"""Which of a cell's pixels (upper left, upper right, lower left, lower right) each block covers."""


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


def encode(sheet: Rgba, terminal: Terminal) -> list[str]:
    """Encode a sheet as lines, each as wide as the sheet and self-contained (colours end with the line)."""
    if sheet.shape[0] % 2:
        sheet = np.concatenate([sheet, np.zeros((1, *sheet.shape[1:]), np.uint8)])
    lines, cells = sheet.shape[0] // 2, sheet.shape[1] // 2
    quarters = sheet.reshape(lines, 2, cells, 2, 4).transpose(0, 2, 1, 3, 4).reshape(lines, cells, 4, 4)
    rgb, there = quarters[..., :3].astype(np.float64), quarters[..., 3] > 0
    if terminal.colours is Colours.NONE or not terminal.unicode:
        return _shades(rgb, there, _SHADES if terminal.unicode else _ASCII_SHADES)
    blocks = len(_BLOCKS) if terminal.quadrants else 1
    chosen, fore, back = _fitted(rgb, _FOREGROUND[:blocks])
    # Where a gap runs through a cell there is no room for two colours beside it.
    whole = there.all(axis=-1)
    chosen[~whole], fore[~whole], back[~whole] = 0, rgb[~whole][:, :2].mean(1), rgb[~whole][:, 2:].mean(1)
    names = _true_colours if terminal.colours is Colours.TRUE else _indexed_colours
    return [
        _line(chosen[y], there[y, :, 0], there[y, :, 2], names(fore[y]), names(back[y])) for y in range(lines)
    ]


def _fitted(rgb: _Colours, foreground: _Colours) -> tuple[npt.NDArray[np.intp], _Colours, _Colours]:
    """For each cell the block and the two mean colours that come closest to its four pixels."""
    background = 1 - foreground
    fore = np.einsum("lcqk,bq->blck", rgb, foreground) / foreground.sum(1)[:, None, None, None]
    back = np.einsum("lcqk,bq->blck", rgb, background) / background.sum(1)[:, None, None, None]
    covered = foreground[:, None, None, :, None]
    error = rgb - covered * fore[..., None, :] - (1 - covered) * back[..., None, :]
    chosen = np.round((error**2).sum(axis=(-1, -2)), 6).argmin(axis=0)
    lines, cells = np.indices(chosen.shape)
    return chosen, fore[chosen, lines, cells], back[chosen, lines, cells]


def _line(
    chosen: npt.NDArray[np.intp],
    upper: npt.NDArray[np.bool_],
    lower: npt.NDArray[np.bool_],
    fore: list[str],
    back: list[str],
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


def _true_colours(row: _Colours) -> list[str]:
    return [f"2;{r};{g};{b}" for r, g, b in row.round().astype(int).tolist()]


def _indexed_colours(row: _Colours) -> list[str]:
    """The nearest of the 6x6x6 cube and the 24 greys of the 256-colour palette."""
    steps = np.abs(row[:, :, None] - _CUBE).argmin(axis=2)
    cube = _CUBE[steps]
    grey_step = np.clip((row.mean(axis=1) - 8) / 10, 0, 23).round().astype(np.int32)
    grey = (8 + 10 * grey_step)[:, None].repeat(3, axis=1)
    cube_error = ((row - cube) ** 2).sum(axis=1)
    grey_error = ((row - grey) ** 2).sum(axis=1)
    cube_index = 16 + 36 * steps[:, 0] + 6 * steps[:, 1] + steps[:, 2]
    index = np.where(grey_error < cube_error, 232 + grey_step, cube_index)
    return [f"5;{value}" for value in index.tolist()]


def _shades(rgb: _Colours, there: npt.NDArray[np.bool_], ramp: str) -> list[str]:
    light = (rgb @ np.array([0.299, 0.587, 0.114])) * there
    count = there.sum(axis=-1)
    mean = np.divide(light.sum(axis=-1), count, out=np.zeros(count.shape), where=count > 0)
    level = (mean / 256 * len(ramp)).astype(int)
    return ["".join(ramp[value] for value in row) for row in level]
