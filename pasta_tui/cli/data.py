"""`pasta data`: what data sets hold."""

from __future__ import annotations

from typing import Annotated

import typer

from pasta_tui.cli._options import Json, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Look into data sets of preferences, ratings and sessions.",
)


@app.command("check")
def check(
    source: Annotated[
        str, typer.Argument(metavar="KIND:PATH", help="Such as pickapic:data/pickapic (docs/data.md).")
    ],
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Only this split (default: all).")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Open every image, or count them only.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Read a data set to its end: labels, raters, ties, unreadable images, skipped rows and why."""
    from pasta_tui.plain.data import check_data

    check_data(source, split, images, as_json)
