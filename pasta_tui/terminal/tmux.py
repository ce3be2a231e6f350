"""What tmux knows about the terminal it is shown on, and the way past it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Tmux", "ask_tmux", "past_tmux"]

_FIELDS = ("client_termtype", "client_termname", "client_termfeatures", "allow-passthrough")
_SECONDS = 2.0


@dataclass(frozen=True)
class Tmux:
    """The outer terminal as tmux sees it."""

    version: str = ""
    """Its answer to XTVERSION; empty where it has none."""
    term: str = ""
    """Its `TERM`."""
    sixel: bool = False
    """It draws Sixel, and this tmux passes it on."""
    passthrough: bool = False
    """`allow-passthrough` is on: what a program wraps goes to the outer terminal untouched."""


def ask_tmux(env: Mapping[str, str], command: Callable[..., str] | None = None) -> Tmux | None:
    """Ask the tmux that owns this pane; None outside tmux. An answer that does not come is an empty one."""
    if not env.get("TMUX"):
        return None
    pane = ["-t", env["TMUX_PANE"]] if env.get("TMUX_PANE") else []
    question = "\t".join(f"#{{{field}}}" for field in _FIELDS)
    answer = (command or _output)("tmux", "display-message", "-p", *pane, question)
    version, term, features, passthrough, *_ = [*answer.rstrip("\n").split("\t"), "", "", "", ""]
    return Tmux(version, term, "sixel" in features.split(","), passthrough not in ("", "0", "off"))


def past_tmux(sequence: str) -> str:
    """Wrap one control sequence so that tmux hands it to the outer terminal."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
