"""Runs `pasta` as a person or a script does: as a process with its own streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PASTA = (sys.executable, "-m", "pasta_tui")


def pasta(
    *arguments: str,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, its streams captured and none of them a terminal."""
    return subprocess.run(
        [*PASTA, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=limit,
        check=False,
    )


def complaint(run: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line that a refused command says, having said nothing else."""
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("pasta: ")
    return lines[0]
