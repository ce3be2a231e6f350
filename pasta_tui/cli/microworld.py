"""`pasta microworld`: the drawn world, and the recipes that train its models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeDevice, MaybeProfile, MaybeWorker, Out, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Draw the small world, and train the micro models.",
)

_SHOW_EPILOG = examples('pasta microworld show "a red train" --count 4 --out scenes')
_BUILD_EPILOG = examples("pasta microworld build --part painter --out models --from assets/micro")
_RATINGS_EPILOG = examples(
    "pasta microworld ratings --format pickapic --out data/pickapic",
    "pasta microworld ratings --format hpd --raters 96 --labels 25 --out data/hpd",
)


@app.command("show", epilog=_SHOW_EPILOG)
def show(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What must be in the scenes (default: anything).")
    ] = "",
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=64, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Which scenes.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw scenes with their captions.

    They are what the micro models learn from.
    """
    from pasta_tui.plain.microworld import show_scenes

    show_scenes(text, count, seed, out, as_json)


@app.command("build", epilog=_BUILD_EPILOG)
def build(
    part: Annotated[
        list[str] | None,
        typer.Option("--part", metavar="NAME", help="Only this part; may be given again (default: all)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the models go (default: assets/micro).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of every draw.")] = 0,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Train on from these models' weights (such as assets/micro)."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Where data and checkpoints lie (default: in the cache)."),
    ] = None,
    device: MaybeDevice = None,
) -> None:
    """Train the micro models by their recipes.

    A build that was stopped goes on where it left off.
    """
    from pasta_tui.cli._microworld_build import build_models

    build_models(part or [], out, start, work, seed, device)


@app.command("ratings", epilog=_RATINGS_EPILOG)
def ratings(
    data_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="The layout: pickapic, hpd, sac or pasta.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the data set goes.")],
    raters: Annotated[int, typer.Option("--raters", metavar="N", help="Raters of the training split.")] = 40,
    test_raters: Annotated[
        int | None,
        typer.Option("--test-raters", metavar="N", min=1, help="Raters of the test split (default: a 4th)."),
    ] = None,
    labels: Annotated[
        int, typer.Option("--labels", metavar="N", help="Labels of each rater (pasta: one session each).")
    ] = 25,
    images: Annotated[
        int | None,
        typer.Option("--images", metavar="N", min=1, help="Pictures for training (default: what is needed)."),
    ] = None,
    population: Annotated[
        str, typer.Option("--population", metavar="NAME", help="archetypes, unseen or continuous tastes.")
    ] = "archetypes",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of every draw.")] = 0,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Where pictures are kept (default: in the cache)."),
    ] = None,
    profile: MaybeProfile = None,
    worker: MaybeWorker = None,
    as_json: Json = False,
) -> None:
    """Let planted raters label painted pictures.

    The data set has the layout of a public one.

    A stopped run goes on where it was. Raters of different splits are different individuals.
    """
    from pasta_tui.cli._microworld_ratings import write_ratings

    order = {
        "format": data_format,
        "raters": raters,
        "seed": seed,
        "test_raters": test_raters,
        "labels": labels,
        "images": images,
        "population": population,
    }
    write_ratings(order, {"profile": profile, "worker": worker}, work, out, as_json)
