"""`pasta plan`: what a profile's models take of this machine, or of another."""

from __future__ import annotations

from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeProfile, examples

__all__ = ["EPILOG", "plan"]

EPILOG = examples(
    "pasta plan --profile sdxl                on this machine",
    "pasta plan --profile turbo --memory 12   on one with a GPU of 12 GB",
    "pasta plan --profile sdxl --memory 0     on one without a GPU",
)


def plan(
    profile: MaybeProfile = None,
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory", metavar="GB", min=0, max=1024, help="Plan for a GPU of so many GB; 0: none."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say where a profile's models will live, what they take of the memory, and how long a turn takes.

    Nothing is loaded: sizes are read from the headers of files, or from the profile where these are not here.
    """
    from pasta_tui.plain.plan import show_plan

    show_plan(profile, memory, as_json)
