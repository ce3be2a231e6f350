"""Contact sheets: a turn's slate, or a whole session with the chosen columns marked, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from pasta_core.domain import Candidate, Choice, Image, Pixels, Slate
from pasta_core.files import write_atomically
from pasta_core.sessions.images import png_bytes, read_image
from pasta_core.sessions.records import StoredTurn
from pasta_core.text import clean

__all__ = ["SheetTurn", "contact_sheet", "sheet_turn", "stored_sheet_turns", "write_sheet"]

_TILES = (256, 192, 128, 96, 64, 32)
"""Sides of an image on the sheet in pixels: the first that is no more than twice its own and fits."""
_MOST_PIXELS = 40_000_000
_GAP = 6
_COLUMN_GAP = 22
_MARGIN = 24
_FRAME = 5
_TEXT = 15
_TITLE = 22

_PAPER = (250, 250, 248)
_INK = (32, 34, 38)
_PALE = (120, 124, 130)
_MARK = (0, 110, 90)
_MISSING = (226, 226, 222)

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, eq=False)
class SheetTurn:
    """One row of a sheet: `columns[l][m]` are pixels (height, width, 3), or None where a file is lost.

    `prompts` has one text per column, `chosen` is the marked column (0-based), if any.
    """

    number: int
    columns: tuple[tuple[Pixels | None, ...], ...]
    prompts: tuple[str, ...]
    chosen: int | None = None


def sheet_turn(
    number: int,
    candidates: Sequence[Candidate],
    slate: Slate,
    columns: Sequence[Sequence[Image]],
    choice: Choice | None = None,
) -> SheetTurn:
    """A painted turn as a row of a sheet."""
    return SheetTurn(
        number,
        tuple(tuple(image.pixels for image in column) for column in columns),
        tuple(candidates[index].prompt for index in slate.indices),
        None if choice is None else choice.column,
    )


def stored_sheet_turns(prompt: str, turns: Sequence[StoredTurn]) -> tuple[SheetTurn, ...]:
    """The painted turns of a stored session that began with `prompt`, their images read from their files."""
    return tuple(_stored(prompt, turn) for turn in turns if turn.images)


def contact_sheet(turns: Sequence[SheetTurn], *, title: str = "", blind: bool = False) -> Pixels:
    """Draw a sheet with one row per turn, as RGB pixels (height, width, 3).

    A caption under each column holds its prompt; a `blind` sheet shows no prompt but the initial one.
    """
    tile = _tile(turns)
    rows = [_row(turn, tile, blind) for turn in turns]
    head = _head(title, max((row.width for row in rows), default=1)) if title else None
    parts = [part for part in (head, *rows) if part is not None]
    width = max((part.width for part in parts), default=1) + 2 * _MARGIN
    height = sum(part.height + _MARGIN for part in parts) + _MARGIN
    sheet = Pillow.new("RGB", (width, height), _PAPER)
    top = _MARGIN
    for part in parts:
        sheet.paste(part, (_MARGIN, top))
        top += part.height + _MARGIN
    return np.asarray(sheet, dtype=np.uint8)


def write_sheet(path: Path, turns: Sequence[SheetTurn], *, title: str = "", blind: bool = False) -> None:
    """Draw a sheet and write it as a PNG that appears whole. Raises `StorageError`."""
    write_atomically(path, png_bytes(contact_sheet(turns, title=title, blind=blind)))


def _stored(prompt: str, turn: StoredTurn) -> SheetTurn:
    across = 1 + max(column for column, _ in turn.images)
    columns: list[list[Pixels | None]] = [[] for _ in range(across)]
    for (column, _), stored in sorted(turn.images.items()):
        image = read_image(stored)
        columns[column].append(None if image is None else image.pixels)
    shown = () if turn.slate is None else turn.slate.indices
    prompts = tuple(turn.candidates[index].prompt for index in shown) or (prompt,)
    chosen = None if turn.choice is None else turn.choice.column
    return SheetTurn(turn.number, tuple(map(tuple, columns)), prompts, chosen)


def _tile(turns: Sequence[SheetTurn]) -> int:
    """The side of an image: at most twice its own pixels, and smaller on a sheet that would be huge."""
    sides = [p.shape[0] for turn in turns for column in turn.columns for p in column if p is not None]
    count = sum(len(column) for turn in turns for column in turn.columns)
    for side in _TILES:
        if side <= 2 * max(sides, default=64) and count * side * side <= _MOST_PIXELS:
            return side
    return _TILES[-1]


def _row(turn: SheetTurn, tile: int, blind: bool) -> Pillow.Image:
    """One turn: its name over its columns."""
    single = len(turn.columns) == 1
    columns = [
        _column(turn, column, len(turn.columns[column]) if single else None, tile, blind)
        for column in range(len(turn.columns))
    ]
    font = _font(_TEXT)
    label = "your words" if turn.number == 0 else f"turn {turn.number}"
    top = _line_height(font) + _GAP
    width = sum(column.width for column in columns) + _COLUMN_GAP * (len(columns) - 1)
    row = Pillow.new("RGB", (width, top + max(column.height for column in columns)), _PAPER)
    ImageDraw.Draw(row).text((_FRAME, 0), label, _PALE, font)
    left = 0
    for column in columns:
        row.paste(column, (left, top))
        left += column.width + _COLUMN_GAP
    return row


def _column(turn: SheetTurn, index: int, across: int | None, tile: int, blind: bool) -> Pillow.Image:
    """One column: its images in a grid, framed if it was chosen, and its caption below."""
    images = turn.columns[index]
    across = across or max(1, ceil(sqrt(len(images))))
    down = ceil(len(images) / across)
    wide, high = across * (tile + _GAP) - _GAP, down * (tile + _GAP) - _GAP
    font = _font(_TEXT)
    numbers = [] if turn.number == 0 else [f"{index + 1}{'  chosen' if index == turn.chosen else ''}"]
    hidden = blind and turn.number > 0
    prompt = "" if hidden or index >= len(turn.prompts) else clean(turn.prompts[index]).text
    lines = [*numbers, *_wrapped(prompt, font, wide)]
    step = _line_height(font)
    column = Pillow.new(
        "RGB", (wide + 2 * _FRAME, high + 2 * _FRAME + (_GAP if lines else 0) + step * len(lines)), _PAPER
    )
    draw = ImageDraw.Draw(column)
    if index == turn.chosen and turn.number:
        draw.rectangle((0, 0, wide + 2 * _FRAME - 1, high + 2 * _FRAME - 1), _PAPER, _MARK, _FRAME - 1)
    for place, pixels in enumerate(images):
        left = _FRAME + (place % across) * (tile + _GAP)
        top = _FRAME + (place // across) * (tile + _GAP)
        column.paste(_tile_of(pixels, tile), (left, top))
    for number, line in enumerate(lines):
        ink = _MARK if numbers and number == 0 and index == turn.chosen else _INK
        draw.text((_FRAME, high + 2 * _FRAME + _GAP + step * number), line, ink, font)
    return column


def _tile_of(pixels: Pixels | None, side: int) -> Pillow.Image:
    """An image fitted into a square, or an empty square that says that it is lost."""
    if pixels is None:
        square = Pillow.new("RGB", (side, side), _MISSING)
        ImageDraw.Draw(square).text((side // 2, side // 2), "lost", _PALE, _font(_TEXT), anchor="mm")
        return square
    image = Pillow.fromarray(pixels)
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Pillow.new("RGB", (side, side), _PAPER)
    resized = image.resize(size, Pillow.Resampling.LANCZOS if scale < 1 else Pillow.Resampling.BICUBIC)
    square.paste(resized, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _head(title: str, width: int) -> Pillow.Image:
    font = _font(_TITLE)
    lines = _wrapped(clean(title).text, font, max(width, 320))
    step = _line_height(font)
    head = Pillow.new("RGB", (max(width, 320), step * len(lines)), _PAPER)
    draw = ImageDraw.Draw(head)
    for number, line in enumerate(lines):
        draw.text((_FRAME, step * number), line, _INK, font)
    return head


def _wrapped(text: str, font: _Font, width: int) -> list[str]:
    """Break `text` at spaces into lines of at most `width` pixels; longer words are cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if font.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and font.getlength(word) > width:
            fitting = next(
                n for n in range(len(word) - 1, 0, -1) if n == 1 or font.getlength(word[:n]) <= width
            )
            lines.append(word[:fitting])
            word = word[fitting:]
        line = word
    return [*lines, line] if line else lines


def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _line_height(font: _Font) -> int:
    return ceil(font.getbbox("Ågj")[3]) + 3
