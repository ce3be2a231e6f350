"""`pasta paint`: images of a prompt, without a session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import (
    Json,
    MaybeCompile,
    MaybeImages,
    MaybeProfile,
    MaybeSeed,
    MaybeWorker,
    examples,
)

__all__ = ["EPILOG", "paint"]

EPILOG = examples(
    'pasta paint "a blue boat at night" --images 8 --out boats',
    "printf 'a cat\\na house\\n' | pasta paint - --seed 7",
)


def paint(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to paint; - reads prompts from stdin, one a line.")
    ],
    images: MaybeImages = None,
    seed: MaybeSeed = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the images go (default: the current directory)."),
    ] = None,
    profile: MaybeProfile = None,
    worker: MaybeWorker = None,
    compiled: MaybeCompile = None,
    as_json: Json = False,
) -> None:
    """Paint images of a prompt as it is; their paths are printed on stdout.

    The same seed paints the same images again.
    """
    from pasta_tui.plain.painting import Commission, paint_all

    flags = {"images": images, "profile": profile, "worker": worker, "compile": compiled}
    paint_all(Commission(prompt, flags, seed, as_json, out))
