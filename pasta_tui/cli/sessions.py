"""`pasta sessions`: what was made so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Look through, star, delete and export your sessions.",
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or 'last'.")]
_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, their beginnings, or 'last'.")]

_BROWSE_EPILOG = examples("pasta sessions browse", "pasta sessions browse --graphics half")
_SHOW_EPILOG = examples("pasta sessions show", "pasta sessions show 20261123-wntm --json")
_STAR_EPILOG = examples("pasta sessions star last", "pasta sessions list --starred")
_UNSTAR_EPILOG = examples("pasta sessions unstar last")
_DELETE_EPILOG = examples(
    "pasta sessions delete last", "pasta sessions delete 20261123-wntm 20261123-k7qa --yes"
)
_LIST_EPILOG = examples(
    "pasta sessions list --text train --since 7d",
    "pasta sessions list --since 2026-11-01 --until 2026-11-20 --starred",
)
_EXPORT_EPILOG = examples(
    "pasta sessions export --out sessions.parquet",
    "pasta sessions export --study --with-images --out study.parquet",
    "pasta sessions export last --sheet train.png",
    "pasta sessions export last --sheet turn.png --turn 3",
)


@app.command("browse", epilog=_BROWSE_EPILOG)
def browse(
    graphics: Annotated[
        str | None,
        typer.Option("--graphics", metavar="HOW", help="Pictures as auto, kitty, sixel, half or none."),
    ] = None,
) -> None:
    """Look through your sessions on the whole terminal.

    They can be found by words and dates, opened, gone on with, starred and deleted there.
    """
    from pasta_tui.browsing import browse_full

    browse_full({"graphics": graphics})


@app.command("list", epilog=_LIST_EPILOG)
def list_sessions(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="At most this many, the latest first.")
    ] = 50,
    text: Annotated[
        str, typer.Option("--text", metavar="WORDS", help="Only those whose prompts hold all these words.")
    ] = "",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only later ones: 2026-11-20, yesterday, 12h, 7d, 2w."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="WHEN", help="Only earlier ones; a date includes its day."),
    ] = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only starred ones.")] = False,
    as_json: Json = False,
) -> None:
    """List your sessions, the latest first."""
    from pasta_tui.plain.records import Listing, list_all

    list_all(Listing(limit, text, since, until, starred), as_json)


@app.command("show", epilog=_SHOW_EPILOG)
def show(session: _Id = "last", as_json: Json = False) -> None:
    """Show one session: slates, choices and images."""
    from pasta_tui.plain.records import show_one

    show_one(session, as_json)


@app.command("star", epilog=_STAR_EPILOG)
def star(sessions: _Ids, as_json: Json = False) -> None:
    """Star sessions, to find them again."""
    from pasta_tui.plain.keeping import star as set_star

    set_star(sessions, True, as_json)


@app.command("unstar", epilog=_UNSTAR_EPILOG)
def unstar(sessions: _Ids, as_json: Json = False) -> None:
    """Take the stars of sessions away."""
    from pasta_tui.plain.keeping import star as set_star

    set_star(sessions, False, as_json)


@app.command("delete", epilog=_DELETE_EPILOG)
def delete(
    sessions: _Ids,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Delete sessions and their images for good."""
    from pasta_tui.plain.keeping import delete as delete_sessions

    delete_sessions(sessions, yes, as_json)


@app.command("export", epilog=_EXPORT_EPILOG)
def export(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Which sessions (default: all; for a sheet the last one)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The Parquet file to write (default: sessions.parquet)."),
    ] = None,
    with_images: Annotated[
        bool, typer.Option("--with-images", help="Put the images themselves into the file.")
    ] = False,
    study: Annotated[
        bool, typer.Option("--study", help="Rater studies alone, as a data set to publish.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE.png", help="Draw one session as a contact sheet."),
    ] = None,
    turn: Annotated[
        int | None, typer.Option("--turn", metavar="N", min=0, help="Only this turn on the sheet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export sessions as trajectories, or one as a contact sheet.

    Trajectories are a Parquet file (docs/trajectories.md).
    """
    from pasta_tui.plain.exporting import export as write

    write(sessions or [], out, with_images, sheet, turn, as_json, study)
