"""`pasta data`: what data sets hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeDevice, MaybeProfile, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Look into data sets of preferences.",
)

_CHECK_EPILOG = examples(
    "pasta data check pickapic:data/pickapic",
    "pasta data check hpd:data/hpd --split test --no-images",
    "pasta data check trajectories:simulated",
)
_EMBED_EPILOG = examples(
    "pasta data embed pickapic:data/pickapic hpd:data/hpd",
    "pasta data embed hpd:data/hpd --split test --profile sdxl --device cuda",
)


@app.command("check", epilog=_CHECK_EPILOG)
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
    """Read a data set to its end and say what is in it.

    Labels, raters, ties, unreadable images, skipped rows and why.
    """
    from pasta_tui.plain.data import check_data

    check_data(source, split, images, as_json)


@app.command("embed", epilog=_EMBED_EPILOG)
def embed(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="KIND:PATH...", help="Data sets (docs/data.md), one after the other."),
    ],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="DIR", help="Where the embeddings lie (default: the data directory)."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Only this split (default: all).")
    ] = None,
    profile: MaybeProfile = None,
    clip: Annotated[
        Path | None,
        typer.Option("--clip", metavar="DIR", help="An open_clip folder (default: the profile's)."),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="float16 or float32: what is stored.")
    ] = "float16",
    device: MaybeDevice = None,
    as_json: Json = False,
) -> None:
    """Embed every image and prompt of data sets once.

    A run that was stopped goes on where it was.
    """
    from pasta_tui.cli._embedding import EncoderChoice, embed_data

    embed_data(sources, split, lambda: EncoderChoice.of(profile, clip, store, dtype), device, as_json)
