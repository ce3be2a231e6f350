"""How fast the interface is: `python -m tests.bench.bench_interface`.

Runs `pasta session` on a pseudo-terminal, a cold start each time, and prints one JSON document: seconds from
the start of the process to its first paint, first image, first candidates and first slate; of a warm turn,
from Enter to the first column and to all images; and from Ctrl-Q in mid-painting to the restored terminal and
to the end of the process. The CPU time before the first paint and the machine's load stand beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
import time

from tests.support.commands import PASTA
from tests.support.cpu_time import cpu_seconds_of
from tests.support.terminal import TerminalSession

PROMPT = "a red train in the snow"


def see(terminal: TerminalSession, pattern: str, limit: float = 600) -> None:
    """Read until the screen shows what `pattern` matches."""
    end = time.monotonic() + limit
    while not re.search(pattern, terminal.shown):
        assert time.monotonic() < end, f"{pattern} is not shown:\n{terminal.shown}"
        assert terminal._read(0.01), f"it ended:\n{terminal.shown}"


def measure(data: str, options: list[str]) -> dict[str, float]:
    """One session until the middle of its second turn."""
    env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PASTA_DATA_DIR": data, "PASTA_LOGS_DIR": data}
    found: dict[str, float] = {}
    begin = time.perf_counter()

    def mark(name: str, since: float) -> None:
        found[name] = round(time.perf_counter() - since, 3)

    command = [*PASTA, "session", PROMPT, "--graphics", "half", *options]
    with TerminalSession(command, env, 80, 24) as terminal:
        see(terminal, PROMPT)
        mark("first_paint", begin)
        found["first_paint_cpu"] = cpu_seconds_of(terminal.pid)
        see(terminal, "painting [1-4]/4|writing")
        mark("first_image", begin)
        see(terminal, "choosing|/16")
        mark("first_candidates", begin)
        see(terminal, "takes column 1")
        mark("first_slate", begin)
        enter = time.perf_counter()
        terminal.press(b"2\r")
        see(terminal, "turn 1: 2")
        see(terminal, "painting [4-9]/16")
        mark("warm_first_column", enter)
        see(terminal, "takes column 1")
        mark("warm_turn", enter)
        terminal.press(b"\r")
        see(terminal, "turn 2: 1|› turn 2")
        see(terminal, "painting [4-9]/16")
        leave = time.perf_counter()
        terminal.press(b"\x11")
        while "\x1b[?1049l" not in terminal.raw:
            assert terminal._read(0.01), f"it ended:\n{terminal.shown}"
        mark("screen_back", leave)
        terminal.wait()
        mark("quit", leave)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("options", nargs="*", help="further options of pasta session, after --")
    arguments = parser.parse_args()
    runs = []
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as data:
            runs.append(measure(data, arguments.options))
    medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    print(json.dumps({**medians, "repeats": len(runs), "load": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
