"""How pictures are shown in this terminal: one protocol, and why it was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pasta_tui.terminal.capabilities import Colours

__all__ = ["CellSize", "Graphics", "Protocol"]


class Protocol(StrEnum):
    """The ways to show a picture, the sharpest first."""

    KITTY = "kitty"
    """Real pixels through the kitty graphics protocol, placed by Unicode placeholders."""
    SIXEL = "sixel"
    """Real pixels as Sixel."""
    HALF = "half"
    """Blocks of two colours a cell, or shades of characters where there is no colour."""
    NONE = "none"
    """Words only."""


class CellSize(NamedTuple):
    """One character cell in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Graphics:
    """What pictures are drawn with."""

    protocol: Protocol = Protocol.HALF
    why: str = "blocks work everywhere"
    """One line for `pasta doctor`."""
    cell: CellSize | None = None
    """One cell in pixels where the terminal told."""
    colours: Colours = Colours.TRUE
    unicode: bool = True
    quadrants: bool = True
    """The font has blocks of a quarter of a cell."""
    tmux: bool = False
    """The terminal is a pane of tmux."""

    @property
    def cell_aspect(self) -> float:
        """Height of a cell over its width; 2 where the terminal did not tell."""
        return self.cell.height / self.cell.width if self.cell else 2.0
