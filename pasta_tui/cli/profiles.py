"""`pasta profiles`: the sets of models."""

from __future__ import annotations

from typing import Annotated

import typer

from pasta_tui.cli._options import Json, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="See and check the sets of models.",
)

_LIST_EPILOG = examples("pasta profiles list")
_SHOW_EPILOG = examples("pasta profiles show sdxl", "pasta profiles show micro --json")
_CHECK_EPILOG = examples("pasta profiles check", "pasta profiles check sdxl turbo")


@app.command("list", epilog=_LIST_EPILOG)
def list_profiles(as_json: Json = False) -> None:
    """List every profile and whether it can be used."""
    from pasta_tui.plain.profiles import list_all

    list_all(as_json)


@app.command("show", epilog=_SHOW_EPILOG)
def show(
    name: Annotated[str, typer.Argument(metavar="PROFILE", help="Its name.")], as_json: Json = False
) -> None:
    """Show one profile: its parts, their licences, its numbers."""
    from pasta_tui.plain.profiles import show_one

    show_one(name, as_json)


@app.command("check", epilog=_CHECK_EPILOG)
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PROFILE]...", help="Which (default: the one in use).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check profiles and the headers of their model files.

    Ends with 2 if a profile's file is wrong, with 3 if a model is missing, cut short or of another kind.
    """
    from pasta_tui.plain.profiles import check as check_profiles

    check_profiles(names or [], as_json)
