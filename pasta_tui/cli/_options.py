"""Options that more than one command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_core.errors import ExitCode

__all__ = [
    "Json",
    "MaybeCompile",
    "MaybeDevice",
    "MaybeImages",
    "MaybeMemory",
    "MaybeProfile",
    "MaybeSeed",
    "MaybeWorker",
    "Out",
    "Resume",
    "examples",
    "help_if_bare",
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
MaybeProfile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="The set of models to use (default: micro).")
]
MaybeCompile = Annotated[
    bool | None,
    typer.Option("--compile", help="Compile the painter first: minutes once, then faster steps (GPU)."),
]
MaybeDevice = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda (default: cuda if there).")
]
MaybeImages = Annotated[
    int | None, typer.Option("--images", metavar="N", help="Images per prompt (default: 4).")
]
MaybeMemory = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="HOW", help="One GPU for all: auto, resident, swap or cpu (default: what fits)."
    ),
]
MaybeSeed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Same seed, same images (default: a new one each time)."),
]
MaybeWorker = Annotated[
    str | None,
    typer.Option("--worker", metavar="CMD", help='Run the models elsewhere: "ssh gpubox pasta worker".'),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Also copy the images into this directory.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]


def examples(*commands: str) -> str:
    """What stands below a command's help: commands as they are typed, one a line."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)]) + "\n"


def help_if_bare(context: typer.Context) -> None:
    """A group without a command shows its help on stderr and ends as a usage error."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)
