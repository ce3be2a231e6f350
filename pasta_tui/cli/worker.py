"""`pasta worker`: the process that owns the models, speaking frames on stdin and stdout."""

from __future__ import annotations

from typing import Annotated

import typer

from pasta_tui.cli._options import MaybeCompile, MaybeMemory, MaybeProfile, examples

__all__ = ["EPILOG", "worker"]

EPILOG = examples('pasta session --worker "ssh gpubox pasta worker"    sessions start their own otherwise')


def worker(
    profile: MaybeProfile = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads for painting.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="A torch device such as cuda:0 or cpu.")
    ] = None,
    pass_size: Annotated[
        int | None,
        typer.Option("--pass-size", metavar="N", min=1, help="Images painted in one pass (simulations: 16)."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option("--slots", metavar="N", min=1, help="Texts written side by side (simulations)."),
    ] = None,
    memory: MaybeMemory = None,
    compiled: MaybeCompile = None,
) -> None:
    """Serve the models of this machine on stdin and stdout."""
    import os
    import sys

    if sys.stdin.isatty():
        from pasta_core.errors import InvalidInput

        raise InvalidInput(
            "the worker speaks to a program, not to a terminal",
            'use it as: pasta session --worker "ssh gpubox pasta worker"',
        )
    options = {
        "--profile": profile,
        "--threads": threads,
        "--device": device,
        "--pass-size": pass_size,
        "--slots": slots,
        "--memory": memory,
    }
    given = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    given += ["--compile"] if compiled else []
    # The worker must own its file descriptors from its first moment, so it takes this process over.
    os.execv(sys.executable, [sys.executable, "-m", "pasta_core.worker", *given])
