"""`pasta microworld`: the drawn world, and the recipes that train its models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, Out, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Look at the drawn world, and train the micro models from it.",
)


@app.command("show")
def show(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What must be in the scenes (default: anything).")
    ] = "",
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=64, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Which scenes.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw scenes of the microworld with their captions: what the micro models learn from."""
    from pasta_tui.plain.microworld import show_scenes

    show_scenes(text, count, seed, out, as_json)


@app.command("build")
def build(
    part: Annotated[
        list[str] | None,
        typer.Option("--part", metavar="NAME", help="Only this part; may be given again (default: all)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the models go (default: assets/micro).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of every draw.")] = 0,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Train on from these models' weights (such as assets/micro)."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Where data and checkpoints lie (default: in the cache)."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda (default: cuda if there).")
    ] = None,
) -> None:
    """Train the micro models by their recipes; go on where a stopped build left off."""
    from pasta_tui.cli._microworld_build import build_models

    build_models(part or [], out, start, work, seed, device)
