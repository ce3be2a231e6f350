"""Pictures as lines of text: half blocks of two pixels a cell, or shades where there is no colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from pasta_tui.terminal.capabilities import Colours, Terminal

__all__ = ["contact_sheet", "encode", "sheet_shape"]

Rgba = npt.NDArray[np.uint8]
"""(height, width, 4); alpha is 0 or 255."""

_RESET = "\x1b[0m"
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"
_CUBE = np.array([0, 95, 135, 175, 215, 255])


def sheet_shape(count: int) -> tuple[int, int]:
    """Rows and columns of the squarest grid that holds `count` images."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    return -(-count // columns), columns


def contact_sheet(images: Sequence[npt.NDArray[np.uint8]], width: int, columns: int | None = None) -> Rgba:
    """Lay RGB images (height, width, 3) out in a grid `width` pixels wide, one clear pixel between them."""
    across = columns or sheet_shape(len(images))[1]
    down = -(-len(images) // across)
    tile_width = max(1, (width - (across - 1)) // across)
    aspect = images[0].shape[0] / images[0].shape[1]
    tile_height = max(1, round(tile_width * aspect))
    sheet = np.zeros((down * (tile_height + 1) - 1, across * (tile_width + 1) - 1, 4), np.uint8)
    for place, pixels in enumerate(images):
        top, left = (place // across) * (tile_height + 1), (place % across) * (tile_width + 1)
        scaled = Image.fromarray(pixels).resize((tile_width, tile_height), Image.Resampling.BOX)
        sheet[top : top + tile_height, left : left + tile_width, :3] = np.asarray(scaled)
        sheet[top : top + tile_height, left : left + tile_width, 3] = 255
    return sheet


def encode(sheet: Rgba, terminal: Terminal) -> list[str]:
    """Encode a sheet as lines, each as wide as the sheet and self-contained (colours end with the line)."""
    if sheet.shape[0] % 2:
        sheet = np.concatenate([sheet, np.zeros((1, *sheet.shape[1:]), np.uint8)])
    upper, lower = sheet[0::2], sheet[1::2]
    if terminal.colours is Colours.NONE or not terminal.unicode:
        return _shades(upper, lower, _SHADES if terminal.unicode else _ASCII_SHADES)
    names = _true_colours if terminal.colours is Colours.TRUE else _indexed_colours
    return [
        _line(up, down, names(up[:, :3]), names(down[:, :3])) for up, down in zip(upper, lower, strict=True)
    ]


def _line(up: Rgba, down: Rgba, up_names: list[str], down_names: list[str]) -> str:
    cells: list[str] = []
    current = ""
    for x in range(len(up)):
        if up[x, 3] and down[x, 3]:
            code, glyph = f"\x1b[38;{up_names[x]};48;{down_names[x]}m", "▀"
        elif up[x, 3]:
            code, glyph = f"\x1b[49;38;{up_names[x]}m", "▀"
        elif down[x, 3]:
            code, glyph = f"\x1b[49;38;{down_names[x]}m", "▄"
        else:
            code, glyph = _RESET, " "
        cells.append(glyph if code == current else code + glyph)
        current = code
    return "".join(cells) + _RESET


def _true_colours(row: npt.NDArray[np.uint8]) -> list[str]:
    return [f"2;{r};{g};{b}" for r, g, b in row.tolist()]


def _indexed_colours(row: npt.NDArray[np.uint8]) -> list[str]:
    """The nearest of the 6x6x6 cube and the 24 greys of the 256-colour palette."""
    wanted = row.astype(np.int32)
    steps = np.abs(wanted[:, :, None] - _CUBE).argmin(axis=2)
    cube = _CUBE[steps]
    grey_step = np.clip((wanted.mean(axis=1) - 8) / 10, 0, 23).round().astype(np.int32)
    grey = (8 + 10 * grey_step)[:, None].repeat(3, axis=1)
    cube_error = ((wanted - cube) ** 2).sum(axis=1)
    grey_error = ((wanted - grey) ** 2).sum(axis=1)
    cube_index = 16 + 36 * steps[:, 0] + 6 * steps[:, 1] + steps[:, 2]
    index = np.where(grey_error < cube_error, 232 + grey_step, cube_index)
    return [f"5;{value}" for value in index.tolist()]


def _shades(upper: Rgba, lower: Rgba, ramp: str) -> list[str]:
    weights = np.array([0.299, 0.587, 0.114])
    alpha = (upper[..., 3].astype(float) + lower[..., 3]) / 255
    seen = [(half[..., :3] @ weights) * (half[..., 3] > 0) for half in (upper, lower)]
    light = seen[0] + seen[1]
    mean = np.divide(light, alpha, out=np.zeros_like(light), where=alpha > 0)
    level = (mean / 256 * len(ramp)).astype(int)
    return ["".join(ramp[value] for value in row) for row in level]
