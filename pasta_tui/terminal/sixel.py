"""Sixel: a picture as bands of six pixel rows, each band once per colour, in run lengths."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["LONGEST_SIDE", "encode_sixel"]

LONGEST_SIDE = 1000
"""Pixels; xterm draws no more by default."""
_COLOURS = 255
_BAND = 6


def encode_sixel(pixels: npt.NDArray[np.uint8], width: int, height: int) -> str:
    """Scale RGB (h, w, 3) to a size in pixels and encode it; the height is cut to whole bands.

    So nothing reaches into the line of cells below. At most 255 colours, chosen for the picture.
    """
    if not 0 < max(width, height) <= LONGEST_SIDE:
        raise ValueError(f"{width}x{height} pixels are no size for Sixel")
    height = max(_BAND, height - height % _BAND)
    smaller = width <= pixels.shape[1] and height <= pixels.shape[0]
    way = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    scaled = Image.fromarray(pixels).resize((width, height), way)
    indexed = scaled.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colours = np.array(indexed.getpalette() or [], np.int32).reshape(-1, 3)
    index = np.asarray(indexed)
    rows, band, colour = _rows(index)
    used = np.unique(colour).tolist()
    percent = (colours * 100 + 127) // 255
    palette = "".join(f"#{c};2;{percent[c, 0]};{percent[c, 1]};{percent[c, 2]}" for c in used)
    body = _run_lengths(rows, band, colour).decode("ascii")
    return f'\x1bP0;1;0q"1;1;{width};{height}{palette}{body}\x1b\\'


def _rows(
    index: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """One row of six-bit columns for each colour of each band, with the rows' bands and colours."""
    height, width = index.shape
    bands = height // _BAND
    stack = index.reshape(bands, _BAND, width)
    there = np.zeros((bands, 256), np.bool_)
    there[np.arange(bands)[:, None, None], stack] = True
    band, colour = np.nonzero(there)
    row_of = np.zeros((bands, 256), np.intp)
    row_of[band, colour] = np.arange(len(band))
    rows = np.zeros((len(band), width), np.uint8)
    columns = np.arange(width)[None, :]
    which = np.arange(bands)[:, None]
    for bit in range(_BAND):
        # Within one pixel row every (row, column) is met once, so nothing is overwritten.
        rows[row_of[which, stack[:, bit]], columns] |= 1 << bit
    return rows, band, colour


def _run_lengths(
    rows: npt.NDArray[np.uint8], band: npt.NDArray[np.intp], colour: npt.NDArray[np.intp]
) -> bytes:
    """All rows as text: `#colour`, runs, and `$` or `-` between rows of the same and of the next band."""
    count, width = rows.shape
    starts = np.ones((count, width), np.bool_)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=starts[:, 1:])
    at = np.flatnonzero(starts).astype(np.int32)
    value = rows.ravel()[at]
    length = np.diff(at, append=np.int32(rows.size))
    row = at // width
    # What is empty up to the end of its row need not be said.
    kept = (value != 0) | (at + length != (row + 1) * width)
    row, value, length = row[kept], value[kept], length[kept]
    tokens = np.zeros((len(row) + count, _TOKEN), np.uint8)
    runs = np.arange(len(row), dtype=np.int32) + row + 1
    heads = np.searchsorted(row, np.arange(count, dtype=np.int32)) + np.arange(count)
    spelled = _RUNS[length]
    tokens[runs] = np.where(spelled == _CHARACTER, (value + np.uint8(63))[:, None], spelled)
    tokens[heads] = _HEADS[colour]
    tokens[heads[1:], 0] = np.where(np.diff(band) > 0, ord("-"), ord("$"))
    return bytes(tokens[tokens != 0])


_TOKEN = 6
"""Bytes of the longest token, `!1000~` and `$#255`; shorter ones are filled up with zeros."""
_CHARACTER = 1
"""Stands for the character that a run repeats."""


def _table(spellings: Iterable[str]) -> npt.NDArray[np.uint8]:
    return np.array([list(text.encode("ascii").ljust(_TOKEN, b"\0")) for text in spellings], np.uint8)


_RUNS = _table(
    chr(_CHARACTER) * length if length <= 3 else f"!{length}{chr(_CHARACTER)}"
    for length in range(LONGEST_SIDE + 1)
)
_HEADS = _table(f"\0#{colour}" for colour in range(256))
