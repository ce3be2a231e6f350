"""`pasta evaluate`: what trained models are worth on data that they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeProfile, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Measure trained models by the paper's protocols.",
)

_EPILOG = """\b
Examples:
  pasta evaluate user-model models/8 --data pickapic:data/pickapic --data hpd:data/hpd
  pasta evaluate user-model --sweep models --types 1,2,4,8 --data hpd:data/hpd --out figures
  pasta evaluate user-model models/8 --data hpd:data/hpd --top-images --out figures
"""


@app.command("user-model", epilog=_EPILOG)
def user_model(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="A folder of 'pasta train-user-model'.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="KIND:PATH", help="A data set (docs/data.md); may be given again."),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Which split.")] = "test",
    sweep: Annotated[
        Path | None,
        typer.Option("--sweep", metavar="DIR", help="Measure DIR/K for each K of --types (Fig. 3)."),
    ] = None,
    types: Annotated[
        str, typer.Option("--types", metavar="K,K,...", help="Numbers of types for --sweep.")
    ] = "1,2,4,8,16,32",
    top_images: Annotated[
        bool, typer.Option("--top-images", help="Show the images that each type likes best (Fig. 4).")
    ] = False,
    planted: Annotated[
        bool,
        typer.Option("--planted", help="Compare with what the raters of one pickapic:PATH truly are."),
    ] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="With --json: other readings of the protocols as well.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where figures go (default: beside the models)."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="Where embeddings lie (default: the data directory)."),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Stored embeddings: float16 or float32.")
    ] = "float16",
    profile: MaybeProfile = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda (default: cuda if there).")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of sampled images and intervals.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Measure a user model: accuracy, rank correlation, choices, each with interval and chance (§6.2).

    Images and prompts that were not embedded yet are embedded first; a stopped run goes on where it was.
    """
    from pasta_tui.cli._evaluation import Request, evaluate

    evaluate(
        Request(
            model=model,
            data=tuple(data or ()),
            split=split,
            sweep=sweep,
            types=types,
            top_images=top_images,
            planted=planted,
            variants=variants,
            out=out,
            store=store,
            dtype=dtype,
            profile=profile,
            device=device,
            seed=seed,
            as_json=as_json,
        )
    )


@app.command("types")
def types(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="What 'pasta simulate --users model:PATH' wrote.")
    ],
    as_json: Json = False,
) -> None:
    """Say which pairs of user types simulated data tells apart, and which are one type (App. C.2)."""
    from pasta_tui.cli._simulated_types import report_types

    report_types(data, as_json)
