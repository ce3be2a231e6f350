"""Headless sessions of the command line, as the kill tests run them: real workers, a planted rater."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.killing import Line, Program, check_files, comparable, run

LONGEST_DELAY = 0.3
"""Seconds after an image at which a process is killed at the latest: long enough to meet the next step."""


def session_program(data: Path, turns: int) -> Program:
    """A session of a planted rater, with a fixed seed and a data directory of its own."""
    pasta = [sys.executable, "-m", "pasta_tui", "session", "--json"]
    options = ["--rater", "planted:0", "--turns", str(turns), "--seed", "7"]
    env = {"PASTA_DATA_DIR": str(data), "PASTA_LOGS_DIR": str(data / "logs")}
    return Program([*pasta, "a red train in the snow", *options], [*pasta, "--resume", "last"], data, env)


def images_of(turns: int) -> int:
    """How many images such a session paints, turn 0 included."""
    return 4 + 16 * turns


def uninterrupted(program: Program, turns: int) -> list[Line]:
    """What the session prints when nothing happens to it."""
    done = run(program, program.begin)
    assert done.code == 0, done.log
    assert [line["event"] for line in done.lines] == ["turn"] * turns + ["final"]
    check_files(done.lines)
    return comparable(done.lines)
