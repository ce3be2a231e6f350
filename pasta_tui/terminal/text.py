"""Text in cells: widths of wide and combining characters, wrapping and side-by-side blocks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["beside", "cell_width", "clipped", "padded", "wrap"]

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def cell_width(text: str) -> int:
    """How many cells `text` takes, colour codes aside."""
    return sum(_width(character) for character in _ESCAPES.sub("", text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int) -> str:
    """`text` with spaces up to `width` cells."""
    return text + " " * max(0, width - cell_width(text))


def wrap(text: str, width: int) -> list[str]:
    """Break `text` at spaces into lines of at most `width` cells; longer words are cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and cell_width(line) + 1 + cell_width(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width)
        lines.extend(whole)
    return [*lines, line] if line else lines


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and cell_width(pieces[-1]) + _width(character) > max(width, 2):
            pieces.append("")
        pieces[-1] += character
    return pieces


def beside(blocks: Sequence[Sequence[str]], width: int, gap: int = 1) -> list[str]:
    """Put blocks of lines side by side, each `width` cells wide."""
    height = max((len(block) for block in blocks), default=0)
    rows = ([block[y] if y < len(block) else "" for block in blocks] for y in range(height))
    return [(" " * gap).join(padded(cell, width) for cell in row).rstrip(" ") for row in rows]


def clipped(text: str, width: int) -> str:
    """`text` cut to `width` cells, with an ellipsis where something is missing."""
    if cell_width(text) <= width:
        return text
    kept = ""
    for character in text:
        if cell_width(kept) + _width(character) > width - 1:
            break
        kept += character
    return f"{kept}…"
