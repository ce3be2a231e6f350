"""How pictures are shown in this terminal: one protocol, and why it was chosen."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TextIO

from pasta_tui.terminal.brands import Brand, brand_of
from pasta_tui.terminal.capabilities import CellSize, Colours, Terminal, detect
from pasta_tui.terminal.kitty import Numbers
from pasta_tui.terminal.probe import Probed, probe, window_cell
from pasta_tui.terminal.tmux import Tmux

__all__ = ["CellSize", "Graphics", "Protocol", "choose_graphics", "find_graphics"]

_VT340_CELL = CellSize(10, 20)


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
    numbers: Numbers = field(default_factory=Numbers, compare=False, repr=False)
    """Counts the pictures that the terminal keeps: the one part of this that changes."""
    typed: bytes = field(default=b"", compare=False, repr=False)
    """Keys that came while the terminal was asked."""
    owing: bool = field(default=False, compare=False, repr=False)
    """Answers of the terminal may still come, among keys."""
    measure: Callable[[], CellSize | None] = field(default=lambda: None, compare=False, repr=False)
    """The cell as large as it is now, where that can be told: its size changes with the font's."""

    def cell_now(self) -> CellSize | None:
        """One cell in pixels where it is known."""
        return self.measure() or self.cell


def find_graphics(setting: str, env: Mapping[str, str], stdin: TextIO | None, stdout: TextIO) -> Graphics:
    """Choose for the terminal behind two streams, asking it if the setting leaves that open.

    To be called once, before anything else reads the terminal.
    """
    terminal = detect(stdout, env)
    answers = terminal.interactive and stdin is not None and stdin.isatty()
    if stdin is None or not answers or setting in (Protocol.HALF, Protocol.NONE):
        return choose_graphics(setting, Probed(), env, terminal)
    probed = probe(stdin.fileno(), stdout.fileno(), env)
    # Panes of one tmux share the outer terminal's numbers.
    graphics = choose_graphics(setting, probed, env, terminal, first_id=os.getpid() * 64)
    if graphics.cell is None or window_cell(stdout.fileno()) != graphics.cell:
        return graphics
    return replace(graphics, measure=partial(window_cell, stdout.fileno()))


def choose_graphics(
    setting: str, probed: Probed, env: Mapping[str, str], terminal: Terminal, first_id: int = 0
) -> Graphics:
    """Decide by the setting (`auto` or a protocol), what the terminal said and who it is."""
    protocol, why = _automatic(probed, env, terminal)
    cell = probed.cell
    if setting != "auto":
        protocol, why = _forced(Protocol(setting), protocol, why)
        if protocol is Protocol.SIXEL and cell is None:
            cell = _VT340_CELL
            why += "; its cells did not tell their size, taken for 10x20 pixels"
    return Graphics(
        protocol=protocol,
        why=why,
        cell=cell,
        colours=terminal.colours,
        unicode=terminal.unicode,
        quadrants=terminal.quadrants,
        tmux=probed.tmux is not None,
        numbers=Numbers(first_id),
        typed=probed.typed,
        owing=probed.owing,
    )


def _forced(asked: Protocol, automatic: Protocol, why: str) -> tuple[Protocol, str]:
    """What was asked for is done, but not silently where it may show nothing."""
    if asked in (Protocol.HALF, Protocol.NONE):
        return asked, "set so"
    if asked is automatic:
        return asked, f"set so, and {why}"
    return asked, f"set so; left to itself it would be {automatic} ({why})"


def _automatic(probed: Probed, env: Mapping[str, str], terminal: Terminal) -> tuple[Protocol, str]:
    if not terminal.interactive:
        return Protocol.HALF, "not a terminal, so nothing was asked"
    if terminal.colours is Colours.NONE or not terminal.unicode:
        reason = "NO_COLOR is set" if env.get("NO_COLOR") else f"TERM is {env.get('TERM') or 'empty'}"
        return (
            Protocol.HALF,
            f"shades of characters, as {reason if terminal.unicode else 'it has no Unicode'}",
        )
    if probed.tmux is not None:
        return _inside_tmux(probed, probed.tmux)
    return _outside_tmux(probed, brand_of(probed.name, env))


def _outside_tmux(probed: Probed, brand: Brand) -> tuple[Protocol, str]:
    who = _name(brand, probed.name)
    if not probed.answered:
        silence = "did not answer in time" if probed.asked else "could not be asked"
        return Protocol.HALF, f"{who} {silence if brand.asks else 'shows no pictures'}"
    if brand.multiplexer:
        return Protocol.HALF, f"{who} cannot be asked from here what it is shown on"
    if probed.kitty and brand.placeholders:
        return Protocol.KITTY, f"{who} answered the kitty query"
    objection = f"{who} answered the kitty query but {brand.objection}" if probed.kitty else ""
    if probed.sixel and probed.cell:
        return Protocol.SIXEL, "; ".join(filter(None, [objection, f"{who} says that it draws Sixel"]))
    if probed.sixel:
        return Protocol.HALF, f"{who} draws Sixel but does not tell the size of its cells"
    return Protocol.HALF, objection or f"{who} says that it has neither kitty graphics nor Sixel"


def _inside_tmux(probed: Probed, tmux: Tmux) -> tuple[Protocol, str]:
    brand = brand_of(tmux.version, {"TERM": tmux.term})
    who = _name(brand, tmux.version or tmux.term)
    if brand.placeholders and tmux.passthrough:
        return Protocol.KITTY, f"tmux lets kitty graphics through to {who}"
    if probed.sixel and tmux.sixel and probed.cell:
        return Protocol.SIXEL, f"tmux draws Sixel on {who}"
    if brand.placeholders:
        return Protocol.HALF, f"tmux holds pictures for {who} back: tmux set -g allow-passthrough on"
    if probed.sixel and not tmux.sixel:
        return Protocol.HALF, f"tmux could draw Sixel, {who} around it cannot"
    return Protocol.HALF, f"tmux passes no pictures on to {who}"


def _name(brand: Brand, version: str) -> str:
    return version if version and version.isprintable() else brand.name
