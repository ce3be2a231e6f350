"""Ask the terminal once what pictures it can show, and leave nothing of its answers to be read as keys."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pasta_tui.terminal.brands import brand_of
from pasta_tui.terminal.capabilities import CellSize
from pasta_tui.terminal.replies import Replies, Reply
from pasta_tui.terminal.tmux import Tmux, ask_tmux

__all__ = ["Probed", "drop_answers", "is_answer", "probe", "question", "window_cell"]

LIMIT = 2.0
"""Seconds until a terminal counts as one that does not answer."""
_STRAGGLERS = 0.02
"""Seconds to wait for answers that were overtaken by the last one."""
_KITTY_QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_NAME_QUERY = "\x1b[>q"
_CELL_QUERY = "\x1b[16t"
_DEVICE_QUERY = "\x1b[c"
_KITTY = re.compile(r"Gi=31\b")
_KITTY_YES = re.compile(r"Gi=31\b[^;]*;OK")
_CELL = re.compile(r"6;(\d+);(\d+)t")
_ATTRIBUTES = re.compile(r"\?([\d;]*)c")


@dataclass(frozen=True)
class Probed:
    """What the terminal said; the defaults stand for one that was not asked."""

    asked: bool = False
    answered: bool = False
    """Its device attributes came, so what it did not say it cannot do."""
    kitty: bool = False
    sixel: bool = False
    cell: CellSize | None = None
    name: str = ""
    """Its answer to XTVERSION."""
    seconds: float = 0.0
    tmux: Tmux | None = None
    typed: bytes = b""
    """What came that was no answer: keys."""

    @property
    def owing(self) -> bool:
        """Answers may still come."""
        return self.asked and not self.answered


def probe(
    reader: int,
    writer: int,
    env: Mapping[str, str],
    *,
    clock: Callable[[], float] = time.monotonic,
    limit: float = LIMIT,
    tmux: Callable[[Mapping[str, str]], Tmux | None] = ask_tmux,
) -> Probed:
    """Ask the terminal behind two file descriptors: one round trip, `limit` seconds where no answer comes.

    Nothing is asked where nobody could answer: no terminal, in the background, one known to print questions.
    """
    outside = tmux(env)
    if not (os.isatty(reader) and os.isatty(writer)) or not _in_foreground(reader):
        return Probed(tmux=outside)
    window = Probed(cell=window_cell(writer), tmux=outside)
    if not brand_of("", env).asks or env.get("TERM", "") in ("", "dumb", "unknown"):
        return window
    begin = clock()
    with _raw(reader):
        os.write(writer, question(env, inside_tmux=outside is not None).encode())
        found = _listen(reader, replace(window, asked=True), lambda: limit - (clock() - begin))
    return replace(found, seconds=clock() - begin)


def drop_answers(reader: int, limit: float = LIMIT) -> None:
    """Read on, where answers are owed, until the last of them or for so many seconds; keys go with them."""
    if not os.isatty(reader) or not _in_foreground(reader):
        return
    end = time.monotonic() + limit
    with _raw(reader):
        _listen(reader, Probed(asked=True), lambda: end - time.monotonic())


def question(env: Mapping[str, str], inside_tmux: bool) -> str:
    """Everything in one write; the device attributes last, as every terminal answers those.

    What a terminal prints of it instead of answering is wiped.
    """
    # tmux answers for itself, and would print what it does not know into the outer terminal's title.
    kitty = "" if inside_tmux or not brand_of("", env).kitty_query else _KITTY_QUERY
    return f"\x1b7{kitty}{_NAME_QUERY}{_CELL_QUERY}{_DEVICE_QUERY}\x1b8\x1b[K"


def _listen(reader: int, found: Probed, left: Callable[[], float]) -> Probed:
    """Read answers until the device attributes, then whatever they overtook."""
    replies = Replies()
    while data := _read(reader, _STRAGGLERS if found.answered else left()):
        for reply in replies.feed(data):
            found = _understood(found, reply)
    return replace(found, typed=found.typed + replies.rest())


def _read(reader: int, patience: float) -> bytes:
    """What there is within so many seconds; nothing where time is up or the terminal is gone."""
    if patience <= 0 or not select.select([reader], [], [], patience)[0]:
        return b""
    try:
        return os.read(reader, 4096)
    except OSError:
        return b""


def is_answer(reply: Reply) -> bool:
    """Whether this is what a terminal says to the questions, and not a key."""
    match reply.kind:
        case "APC":
            return _KITTY.match(reply.body) is not None
        case "DCS":
            return reply.body.startswith(">|")
        case "CSI":
            return any(pattern.fullmatch(reply.body) for pattern in (_CELL, _ATTRIBUTES))
        case _:
            return False


def _understood(found: Probed, reply: Reply) -> Probed:
    if not is_answer(reply):
        return replace(found, typed=found.typed + reply.raw)
    if reply.kind == "APC" and _KITTY_YES.match(reply.body):
        return replace(found, kitty=True)
    if reply.kind == "DCS" and reply.body.startswith(">|"):
        return replace(found, name=reply.body[2:].strip())
    if reply.kind != "CSI":
        return found
    if cell := _CELL.fullmatch(reply.body):
        height, width = int(cell[1]), int(cell[2])
        return replace(found, cell=CellSize(width, height)) if width and height else found
    if attributes := _ATTRIBUTES.fullmatch(reply.body):
        # The first number is the level of the terminal it takes after, the rest is what it can.
        return replace(found, answered=True, sixel="4" in attributes[1].split(";")[1:])
    return found


def window_cell(writer: int) -> CellSize | None:
    """A cell by the window's size in pixels, which many terminals leave at zero."""
    try:
        window = fcntl.ioctl(writer, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return None
    lines, cells, width, height = struct.unpack("HHHH", window)
    if not (lines and cells and width >= cells and height >= lines):
        return None
    return CellSize(width // cells, height // lines)


def _in_foreground(reader: int) -> bool:
    """A job in the background that touches its own terminal is stopped."""
    try:
        return os.tcgetpgrp(reader) == os.getpgrp()
    except OSError:
        return True


@contextmanager
def _raw(reader: int) -> Iterator[None]:
    """Neither echo nor lines while answers come in; what was set before comes back."""
    before = termios.tcgetattr(reader)
    raw = termios.tcgetattr(reader)
    raw[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON)
    raw[3] &= ~(termios.ECHO | termios.ICANON)
    raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
    termios.tcsetattr(reader, termios.TCSANOW, raw)
    try:
        yield
    finally:
        termios.tcsetattr(reader, termios.TCSANOW, before)
