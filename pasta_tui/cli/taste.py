"""`pasta taste`: what your picks say about you, kept on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeProfile, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Look at, share and forget what your picks have taught.",
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a taste.")]
_MaybeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Which taste (default: the one in use).")
]
_MaybeHalfLife = Annotated[
    str | None, typer.Option("--half-life", metavar="DAYS", help="When a pick counts half: days or 'never'.")
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Forget without asking.")]

_SHOW_EPILOG = examples("pasta taste show", "pasta taste show work --json")
_LIST_EPILOG = examples("pasta taste list")
_USE_EPILOG = examples(
    "pasta taste new work",
    "pasta taste use work",
)
_NEW_EPILOG = examples(
    "pasta taste new work",
    "pasta taste new christmas --half-life 30",
)
_EXPORT_EPILOG = examples(
    "pasta taste export",
    "pasta taste export work --out work.taste.json",
)
_IMPORT_EPILOG = examples(
    "pasta taste import work.taste.json",
    "pasta taste import work.taste.json --name again",
)
_MERGE_EPILOG = examples(
    "pasta taste merge work",
    "pasta taste merge default again --into work",
)
_RESET_EPILOG = examples(
    "pasta taste reset",
    "pasta taste reset work --yes",
)
_STRENGTH_EPILOG = examples(
    "pasta taste strength",
    "pasta taste strength 0.5 --half-life 90",
)
_FORGET_EPILOG = examples(
    "pasta taste forget --session last",
    "pasta taste forget --session 20261123-wntm",
)
_SPACE_EPILOG = examples(
    "pasta simulate --trajectories 200 --users model --embeddings --out simulated",
    "pasta taste space --data trajectories:simulated",
)
_CALIBRATE_EPILOG = examples(
    "pasta simulate --trajectories 100 --users model --embeddings --seed 1 --out measured",
    "pasta taste calibrate --data trajectories:measured",
)


@app.command("show", epilog=_SHOW_EPILOG)
def show(name: _MaybeName = None, profile: MaybeProfile = None, as_json: Json = False) -> None:
    """Say what a taste likes, and how well it foresaw your picks."""
    from pasta_tui.plain.taste_show import show_taste

    show_taste(name, profile, as_json)


@app.command("list", epilog=_LIST_EPILOG)
def list_tastes(as_json: Json = False) -> None:
    """List your tastes; the one in use has a star."""
    from pasta_tui.plain.taste import list_all

    list_all(as_json)


@app.command("use", epilog=_USE_EPILOG)
def use(name: _Name, as_json: Json = False) -> None:
    """Let new sessions go by another taste."""
    from pasta_tui.plain.taste import use as use_taste

    use_taste(name, as_json)


@app.command("new", epilog=_NEW_EPILOG)
def new(
    name: _Name,
    half_life: _MaybeHalfLife = None,
    as_json: Json = False,
) -> None:
    """Begin a taste of another name, without any picks."""
    from pasta_tui.plain.taste import create

    create(name, half_life, as_json)


@app.command("export", epilog=_EXPORT_EPILOG)
def export(
    name: _MaybeName = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file (default: NAME.taste.json).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy a taste into a file."""
    from pasta_tui.plain.taste import export as write

    write(name, out, as_json)


@app.command("import", epilog=_IMPORT_EPILOG)
def import_taste(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of 'pasta taste export'.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it (default: its file's name).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a taste from a file under a new name."""
    from pasta_tui.plain.taste import import_file

    import_file(file, name, as_json)


@app.command("merge", epilog=_MERGE_EPILOG)
def merge(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Tastes whose picks are added.")],
    into: Annotated[
        str | None, typer.Option("--into", metavar="NAME", help="The taste that grows (default: in use).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add the picks of tastes to one, and leave them as they are."""
    from pasta_tui.plain.taste import merge as merge_tastes

    merge_tastes(names, into, as_json)


@app.command("forget", epilog=_FORGET_EPILOG)
def forget(
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="ID", help="Which one: its id, its beginning, or 'last'."),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which taste (default: all that hold its picks).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Forget a session: your tastes are as if it had never been."""
    from pasta_tui.plain.taste_forget import forget as forget_session

    forget_session(session, name, as_json)


@app.command("reset", epilog=_RESET_EPILOG)
def reset(name: _MaybeName = None, yes: _Yes = False, as_json: Json = False) -> None:
    """Forget all picks of a taste for good."""
    from pasta_tui.plain.taste import reset as reset_taste

    reset_taste(name, yes, as_json)


@app.command("strength", epilog=_STRENGTH_EPILOG)
def strength(
    value: Annotated[
        float | None,
        typer.Argument(metavar="STRENGTH", help="How much past sessions count, 0 to 1; 0 is not at all."),
    ] = None,
    half_life: _MaybeHalfLife = None,
    as_json: Json = False,
) -> None:
    """Say or set how much past sessions count in new ones."""
    from pasta_tui.plain.taste import set_strength

    set_strength(value, half_life, as_json)


@app.command("space", epilog=_SPACE_EPILOG)
def space(
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="KIND:PATH", help="Trajectories with embeddings; may be given again."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file (default: beside the CLIP).")
    ] = None,
    profile: MaybeProfile = None,
    as_json: Json = False,
) -> None:
    """Learn the directions that tastes of a profile's CLIP live in."""
    from pasta_tui.cli._taste_space import learn

    learn(data or [], out, profile, as_json)


@app.command(
    "calibrate", epilog=_CALIBRATE_EPILOG, short_help="Measure how much a value model is to be heard."
)
def calibrate(
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="KIND:PATH", help="Trajectories with embeddings; may be given again."),
    ] = None,
    value_model: Annotated[
        Path | None,
        typer.Option("--value-model", metavar="DIR", help="A value model (default: the profile's)."),
    ] = None,
    profile: MaybeProfile = None,
    as_json: Json = False,
) -> None:
    """Measure how much a value model is to be heard beside a taste (--selector taste+value)."""
    from pasta_tui.cli._taste_calibration import measure

    measure(data or [], value_model, profile, as_json)
