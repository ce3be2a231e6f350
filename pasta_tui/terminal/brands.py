"""Which terminal this is, and what its answers to a probe are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["UNKNOWN", "Brand", "brand_of"]


@dataclass(frozen=True)
class Brand:
    """One terminal program.

    Some say yes to the kitty query and cannot place a picture by Unicode placeholders, so that nothing would
    be seen; who can is known by name only.
    """

    name: str
    placeholders: bool = False
    """Kitty graphics with Unicode placeholders work."""
    objection: str = ""
    """Why not, where it speaks of kitty graphics all the same."""
    asks: bool = True
    """It takes questions without printing them or answering with noise."""
    kitty_query: bool = True
    """The kitty query does it no harm."""
    multiplexer: bool = False
    """It answers for itself, whatever the terminal around it can draw."""
    versions: tuple[str, ...] = ()
    """How its answer to XTVERSION begins, lower case."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables and how their values begin; an empty value means that it is set at all."""


_KNOWN = (
    Brand("kitty", placeholders=True, versions=("kitty",), variables={"TERM": "xterm-kitty"}),
    Brand(
        "ghostty",
        placeholders=True,
        versions=("ghostty",),
        variables={"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"},
    ),
    Brand("Rio", placeholders=True, versions=("rio",), variables={"TERM": "rio", "TERM_PROGRAM": "rio"}),
    Brand(
        "WezTerm",
        objection="loses kitty pictures where text is rewritten",
        versions=("wezterm",),
        variables={"TERM": "wezterm", "TERM_PROGRAM": "WezTerm"},
    ),
    Brand("foot", versions=("foot",), variables={"TERM": "foot"}),
    Brand("contour", versions=("contour",), variables={"TERM": "contour"}),
    # It takes the kitty query for a title. Seen only from another machine: here `TMUX` is set.
    Brand("tmux", kitty_query=False, multiplexer=True, versions=("tmux",), variables={"TERM": "tmux"}),
    Brand("tmux or screen", kitty_query=False, multiplexer=True, variables={"TERM": "screen"}),
    Brand("the Linux console", asks=False, variables={"TERM": "linux"}),
    # The kitty query lands in its window title.
    Brand(
        "iTerm2",
        kitty_query=False,
        objection="has no placeholders",
        versions=("iterm2",),
        variables={"TERM_PROGRAM": "iTerm.app", "LC_TERMINAL": "iTerm2"},
    ),
    Brand("Apple Terminal", asks=False, variables={"TERM_PROGRAM": "Apple_Terminal"}),
    Brand("VS Code", objection="has no placeholders", variables={"TERM_PROGRAM": "vscode"}),
    Brand(
        "Warp",
        objection="has no placeholders",
        versions=("warp",),
        variables={"TERM_PROGRAM": "WarpTerminal"},
    ),
    Brand("mintty", versions=("mintty",), variables={"TERM_PROGRAM": "mintty"}),
    Brand(
        "Konsole",
        objection="has no placeholders",
        versions=("konsole",),
        variables={"KONSOLE_VERSION": ""},
    ),
    Brand("Windows Terminal", versions=("windows terminal",), variables={"WT_SESSION": ""}),
    Brand("GNOME Terminal", versions=("vte",), variables={"VTE_VERSION": ""}),
    Brand("xterm", versions=("xterm(",), variables={"XTERM_VERSION": ""}),
    Brand("VS Code", objection="has no placeholders", versions=("xterm.js",)),
)
_VARIABLES = (
    "TERM",
    "TERM_PROGRAM",
    "LC_TERMINAL",
    "KONSOLE_VERSION",
    "WT_SESSION",
    "VTE_VERSION",
    "XTERM_VERSION",
)
"""The surest first: what a terminal was started from leaves its variables behind, `TERM` is its own."""
UNKNOWN = Brand("this terminal", objection="is not known to draw placeholders")


def brand_of(version: str, env: Mapping[str, str]) -> Brand:
    """The terminal by its answer to XTVERSION, else by the environment; `UNKNOWN` where neither tells."""
    for brand in _KNOWN:
        if version.lower().startswith(brand.versions or "\0"):
            return brand
    if version:
        return UNKNOWN
    for variable in _VARIABLES:
        value = env.get(variable)
        for brand in _KNOWN:
            if value and variable in brand.variables and value.startswith(brand.variables[variable]):
                return brand
    return UNKNOWN
