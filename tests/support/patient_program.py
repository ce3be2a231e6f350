"""`pasta` that waits very long for a locked store: `python -m tests.support.patient_program FILE ARGUMENTS`.

Once something waits to write, there is a FILE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pasta_core.sessions import connection
from pasta_tui.__main__ import main

PATIENCE = 960.0
"""Seconds that it waits: who ends in a part of them has not waited, however busy the machine is."""


def run(waits: Path, arguments: list[str]) -> int:
    """Run the program on these arguments; returns its exit code."""
    connection.BUSY_SECONDS = PATIENCE
    insist = connection._insist

    def told(sql: object, statement: str, pause: Callable[[float], bool]) -> None:
        def waiting(seconds: float) -> bool:
            if statement == "BEGIN IMMEDIATE":
                waits.touch()
            return pause(seconds)

        insist(sql, statement, waiting)  # type: ignore[arg-type]

    connection._insist = told
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
