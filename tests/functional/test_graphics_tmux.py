"""In a real tmux on a terminal that draws kitty graphics: what is found, and what gets through."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from pasta_tui.terminal.kitty import number
from tests.support.fake_terminals import NAME, FakeTerminal, device

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

INSIDE = """
import os, sys, time
from pathlib import Path
import numpy as np
from pasta_tui.terminal.graphics import find_graphics
from pasta_tui.terminal.kitty import number, transmit
from pasta_tui.terminal.tmux import ask_tmux
end = time.monotonic() + 20
while not ask_tmux(os.environ).version and time.monotonic() < end:
    time.sleep(0.05)
found = find_graphics("auto", os.environ, sys.stdin, sys.stdout)
sys.stdout.write(transmit(np.zeros((2, 2, 3), np.uint8), number(7), 2, 1, found.tmux))
sys.stdout.flush()
Path(sys.argv[1]).with_suffix(".part").write_text(f"{found.protocol}: {found.why}")
Path(sys.argv[1]).with_suffix(".part").rename(sys.argv[1])
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("option", "found", "passed"),
    [
        ("on", "kitty: tmux lets kitty graphics through to kitty(0.42.1)", True),
        ("off", "half: tmux holds pictures for kitty(0.42.1) back: tmux set -g allow-passthrough on", False),
    ],
)
def test_tmux_is_asked_and_passes_on_what_it_says(
    option: str, found: str, passed: bool, tmp_path: Path
) -> None:
    settings = tmp_path / "tmux.conf"
    settings.write_text(f"set -g allow-passthrough {option}\n")
    answer = tmp_path / "answer"
    server = ["tmux", "-S", str(tmp_path / "socket"), "-f", str(settings)]
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("TMUX")},
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with FakeTerminal({NAME: "\x1bP>|kitty(0.42.1)\x1b\\", **device(22)}) as terminal:
        client = subprocess.Popen(
            [*server, "new-session", sys.executable, "-c", INSIDE, str(answer)],
            stdin=terminal.fd,
            stdout=terminal.fd,
            stderr=terminal.fd,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        try:
            end = time.monotonic() + 60
            while not answer.exists() and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.3)
        finally:
            subprocess.run([*server, "kill-server"], check=False, env=env)
            client.wait(20)
        assert answer.read_text() == found
        assert (f"\x1b_Ga=T,U=1,q=2,f=24,o=z,t=d,i={number(7)}," in terminal.asked) is passed
