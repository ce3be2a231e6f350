"""`pasta models`: the weights on this machine."""

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
    help="Fetch, list, verify and remove weights.",
)

_WHAT = "PROFILE, or PROFILE.PART as 'pasta profiles show' names it."
_Names = Annotated[list[str], typer.Argument(metavar="PROFILE[.PART]...", help=_WHAT)]
_MaybeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[PROFILE[.PART]]...", help=f"{_WHAT} (default: all)")
]

_LIST_EPILOG = examples("pasta models list", "pasta models list --json")
_VERIFY_EPILOG = examples("pasta models verify", "pasta models verify sdxl turbo.painter")
_REMOVE_EPILOG = examples("pasta models remove sdxl.writer", "pasta models remove turbo --yes")
_PULL_EPILOG = examples(
    "pasta models pull sdxl --dry-run",
    "pasta models pull sdxl",
    "pasta models pull turbo.painter --to /data/models",
)


@app.command("pull", epilog=_PULL_EPILOG)
def pull(
    names: _Names,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched, and how large it is.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Into a cache of your own, not the shared one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch weights: the one command that uses the network.

    Sizes, licences and free disk are shown first. A pull that was stopped goes on where it ended. What has
    arrived is compared with its checksum before it can be used.
    """
    from pasta_tui.plain.pulling import pull as fetch

    fetch(names, dry_run, to, as_json)


@app.command("list", epilog=_LIST_EPILOG)
def list_models(as_json: Json = False) -> None:
    """List the weights that profiles name, and what of them is here."""
    from pasta_tui.plain.weights import list_all

    list_all(as_json)


@app.command("verify", epilog=_VERIFY_EPILOG)
def verify(names: _MaybeNames = None, as_json: Json = False) -> None:
    """Compare fetched weights with their checksums, without a network.

    Ends with 3 if a file is missing or damaged.
    """
    from pasta_tui.plain.weights import verify as verify_weights

    verify_weights(names or [], as_json)


@app.command("remove", epilog=_REMOVE_EPILOG)
def remove(
    names: _Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Remove fetched weights that no other profile needs."""
    from pasta_tui.plain.weights import remove as remove_weights

    remove_weights(names, yes, as_json)
