"""What a terminal can show: its size, its colours, and whether it is one at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TextIO

__all__ = ["CellSize", "Colours", "Terminal", "can_answer", "detect"]

_TRUE_COLOUR_TERMS = ("kitty", "ghostty", "alacritty", "wezterm", "foot", "direct", "iterm", "contour")


class Colours(IntEnum):
    """How many colours can be asked for."""

    NONE = 0
    INDEXED = 256
    TRUE = 1 << 24


class CellSize(NamedTuple):
    """One character cell in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Terminal:
    """One output stream as a place to draw; sizes in character cells."""

    width: int = 80
    height: int = 24
    colours: Colours = Colours.NONE
    unicode: bool = True
    quadrants: bool = True
    """Its font has blocks of a quarter of a cell."""
    interactive: bool = False
    """A terminal, as opposed to a file or a pipe."""
    cursor: bool = False
    """Lines can be erased and rewritten."""


def can_answer() -> bool:
    """Whether somebody can type on stdin (which may be closed)."""
    return sys.stdin is not None and sys.stdin.isatty()


def detect(stream: TextIO, env: Mapping[str, str]) -> Terminal:
    """Find out what `stream` can show; `NO_COLOR` and `TERM=dumb` mean no escape codes for colour."""
    interactive = stream.isatty()
    term = env.get("TERM", "")
    dumb = term in ("", "dumb", "unknown")
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    width, height = _size(stream, env)
    return Terminal(
        width=width,
        height=height,
        colours=_colours(env, term) if interactive and not dumb else Colours.NONE,
        unicode=encoding.startswith("utf"),
        quadrants=term != "linux",
        interactive=interactive,
        cursor=interactive and not dumb,
    )


def _size(stream: TextIO, env: Mapping[str, str]) -> tuple[int, int]:
    try:
        width, height = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        width, height = 0, 0
    return _positive(env.get("COLUMNS")) or width or 80, _positive(env.get("LINES")) or height or 24


def _positive(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _colours(env: Mapping[str, str], term: str) -> Colours:
    if env.get("NO_COLOR"):
        return Colours.NONE
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Colours.TRUE
    if any(name in term for name in _TRUE_COLOUR_TERMS):
        return Colours.TRUE
    return Colours.INDEXED
