"""`pasta sessions`: what was made so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="List, show and export your sessions.",
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or 'last'.")]


@app.command("list")
def list_sessions(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="At most this many, the latest first.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List your sessions, the one worked on last first."""
    from pasta_tui.plain.records import list_all

    list_all(limit, as_json)


@app.command("show")
def show(session: _Id = "last", as_json: Json = False) -> None:
    """Show one session: what was shown, what was chosen, and where the images lie."""
    from pasta_tui.plain.records import show_one

    show_one(session, as_json)


@app.command("export")
def export(
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Which sessions (default: all).")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")] = Path(
        "sessions.parquet"
    ),
    with_images: Annotated[
        bool, typer.Option("--with-images", help="Put the images themselves into the file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Export sessions as trajectories (Parquet, docs/trajectories.md)."""
    from pasta_tui.plain.records import export_all

    export_all(sessions or [], out, with_images, as_json)
