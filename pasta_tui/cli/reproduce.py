"""`pasta reproduce`: the paper's experiments in the microworld, from ratings to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeDevice, MaybeWorker, examples

__all__ = ["EPILOG", "reproduce"]

EPILOG = examples(
    "pasta reproduce --quick --out first-look     every step once, in minutes; claims nothing",
    "pasta reproduce --out reproduction           many hours; the same command goes on after any stop",
    "pasta reproduce --out reproduction --trajectories 1000 --json",
)


def reproduce(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the steps and the report go, or lie already.")
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Few of everything: a look at the chain in minutes.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of every draw.")] = 0,
    trajectories: Annotated[
        int | None,
        typer.Option("--trajectories", metavar="N", min=2, help="Paired trajectories of every evaluation."),
    ] = None,
    training_seeds: Annotated[
        int | None,
        typer.Option("--training-seeds", metavar="N", min=1, help="How often every value model is trained."),
    ] = None,
    device: MaybeDevice = None,
    worker: MaybeWorker = None,
    as_json: Json = False,
) -> None:
    """Repeat the paper's experiments in the microworld: user types, six agents, Table F.1, Fig. 3-6.

    What is finished is never done again: the same command goes on where a stopped run was.
    """
    from pasta_tui.cli._reproduce import Request, run_reproduction

    run_reproduction(
        Request(
            out=out,
            quick=quick,
            seed=seed,
            changes={
                name: value
                for name, value in (("trajectories", trajectories), ("training_seeds", training_seeds))
                if value is not None
            },
            device=device,
            worker=worker,
            as_json=as_json,
        )
    )
