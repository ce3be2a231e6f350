"""The `pasta` program: `--version` without the command line's libraries, everything else through Typer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if argv in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"pasta {version('pasta-t2i')}")
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a letter must not end the program.
            stream.reconfigure(errors="replace")
    from pasta_tui.console.errors import reported

    with reported(sys.stdout, sys.stderr, os.environ) as outcome:
        from pasta_tui.cli.app import run

        outcome.code = run(argv)
    return outcome.code


def _terminate(signum: int, frame: FrameType | None) -> None:
    from pasta_tui.console.errors import Stopped

    raise Stopped(signum)


if __name__ == "__main__":
    sys.exit(main())
