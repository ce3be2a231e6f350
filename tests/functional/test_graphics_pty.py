"""Pictures through Textual's real driver, on terminals that draw them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.fake_terminals import CELL, KITTY, NAME, FakeTerminal, device
from tests.support.graphic_terminal import GraphicTerminal

SIXEL_TERMINAL = {CELL: "\x1b[6;20;10t", **device(4, 22)}
KITTY_TERMINAL = {
    KITTY: "\x1b_Gi=31;OK\x1b\\",
    NAME: "\x1bP>|kitty(0.42.1)\x1b\\",
    CELL: "\x1b[6;20;10t",
    **device(22),
}
APP = """
import os, sys
import numpy as np
from textual.app import App
from textual.widgets import Static
from pasta_tui.terminal.graphics import find_graphics
from pasta_tui.widgets.picture import Picture

class Wall(App):
    CSS = "Static { height: 1; }"
    keys = []
    def compose(self):
        yield Picture(graphics)
        yield Static("below")
    async def on_mount(self):
        self.query_one(Picture).pixels = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
        self.set_timer(1.0, self.leave)
    async def leave(self):
        await self.workers.wait_for_complete()
        self.set_timer(0.5, self.exit)
    def on_key(self, event):
        self.keys.append(event.key)

graphics = find_graphics("auto", os.environ, sys.stdin, sys.stdout)
app = Wall()
app.run()
print("chose", graphics.protocol, "keys", app.keys)
"""


def run(terminal: FakeTerminal, *command: str) -> str:
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    env = {key: value for key, value in env.items() if not key.startswith(("TMUX", "TERM_PROGRAM"))}
    child = subprocess.Popen(
        [sys.executable, *(command or ("-c", APP))],
        stdin=terminal.fd,
        stdout=terminal.fd,
        stderr=terminal.fd,
        env={**env, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        assert child.wait(120) == 0
    finally:
        child.kill()
    assert terminal.left() == b""
    return terminal.asked


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_sixel_terminal_gets_its_sixel(delay: float) -> None:
    with FakeTerminal(SIXEL_TERMINAL, delay, window=(24, 60, 0, 0)) as terminal:
        written = run(terminal)
    drawn = GraphicTerminal(60, 24)
    drawn.feed(written.partition("\x1b[?1049l")[0])
    assert len(drawn.sixels) == 46 * 23
    assert drawn.line(23).startswith("below")
    assert "chose sixel keys []" in written


def test_a_kitty_terminal_gets_its_picture_once_and_loses_it_at_the_end() -> None:
    with FakeTerminal(KITTY_TERMINAL, window=(24, 60, 0, 0)) as terminal:
        written = run(terminal)
    shown, _, end = written.partition("\x1b[?1049l")
    drawn = GraphicTerminal(60, 24)
    drawn.feed(shown)
    assert (drawn.sent, len(drawn.kept)) == (1, 1)
    drawn.feed(end)
    assert drawn.kept == {}
    assert "chose kitty keys []" in written


def test_a_window_without_a_size_does_not_crash() -> None:
    with FakeTerminal(SIXEL_TERMINAL, window=(0, 0, 0, 0)) as terminal:
        assert "chose sixel keys []" in run(terminal)


def test_the_doctor_leaves_no_late_answer_to_the_shell() -> None:
    with FakeTerminal(KITTY_TERMINAL, 2.6, window=(24, 200, 0, 0)) as terminal:
        written = run(terminal, "-m", "pasta_tui", "doctor")
    assert "did not answer in time" in written


def test_the_doctor_says_what_was_chosen_and_why() -> None:
    with FakeTerminal(KITTY_TERMINAL, 0.2, window=(24, 200, 0, 0)) as terminal:
        written = run(terminal, "-m", "pasta_tui", "doctor")
    assert "graphics      kitty: kitty(0.42.1) answered the kitty query" in written
