"""`pasta session`: from a vague idea to the picture that was meant, in a few choices."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pasta_tui.cli._options import (
    Json,
    MaybeCompile,
    MaybeImages,
    MaybeMemory,
    MaybeProfile,
    MaybeSeed,
    MaybeWorker,
    Out,
    examples,
)

__all__ = ["EPILOG", "session"]

EPILOG = examples(
    'pasta session "a red train in the snow"',
    "pasta session --resume last",
    'pasta session "a cat" --rater planted:0 --json    no terminal needed',
    "pasta session --study                             rate what you see, as data for training",
)


def session(
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="What you want to see, in a few words.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines and a question instead of the full screen.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with a session: its id or 'last'.")
    ] = None,
    profile: MaybeProfile = None,
    selector: Annotated[
        str | None,
        typer.Option(
            "--selector",
            metavar="NAME",
            help="Who picks what is shown: random, writer, taste, value[:PATH], taste+value.",
        ),
    ] = None,
    turns: Annotated[
        int | None, typer.Option("--turns", metavar="N", help="How often you choose (default: 5).")
    ] = None,
    columns: Annotated[
        int | None, typer.Option("--columns", metavar="N", help="Prompts shown per turn (default: 4).")
    ] = None,
    images: MaybeImages = None,
    seed: MaybeSeed = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Show the pictures without prompts and categories.")
    ] = False,
    rater: Annotated[
        str | None,
        typer.Option("--rater", metavar="SPEC", help="Who plays the user: planted:TYPE[:INDIVIDUAL]."),
    ] = None,
    study: Annotated[
        bool,
        typer.Option("--study", help="A rater study: instructions, then questions about every turn."),
    ] = False,
    no_taste: Annotated[
        bool, typer.Option("--no-taste", help="Neither go by what was learned of you nor add to it.")
    ] = False,
    worker: MaybeWorker = None,
    memory: MaybeMemory = None,
    compiled: MaybeCompile = None,
    graphics: Annotated[
        str | None,
        typer.Option("--graphics", metavar="HOW", help="Pictures as auto, kitty, sixel, half or none."),
    ] = None,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Find the picture you mean: choose among four columns, five times.

    Fills the terminal; without PROMPT it asks for one or offers past sessions. Every step is kept as soon as
    it is done; Ctrl-Q leaves, `--resume last` goes on. At the end the paths of the final images are printed
    on stdout.
    """
    from pasta_tui.plain.request import Request, wants_screen

    flags = {
        "profile": profile,
        "selector": selector,
        "turns": turns,
        "columns": columns,
        "images": images,
        "worker": worker,
        "memory": memory,
        "compile": compiled,
        "graphics": graphics,
    }
    request = Request(prompt, resume, flags, seed, blind, rater, as_json, out, study, no_taste)
    if wants_screen(request, plain, os.environ):
        from pasta_tui.fullscreen import play_full

        play_full(request)
    else:
        from pasta_tui.plain.play import play

        play(request)
