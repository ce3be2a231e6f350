"""`pasta train-user-model`: user types out of preference data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeProfile

__all__ = ["EPILOG", "train_user_model"]

EPILOG = """\b
Examples:
  pasta train-user-model --data pickapic:data/pickapic --data hpd:data/hpd@0.5 --types 8 --out user-model
  pasta train-user-model --data pickapic:data/pickapic --types 8 --out user-model --resume
  accelerate launch --num_processes 4 -m pasta_tui train-user-model ...    one process a device
"""


def train_user_model(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model and its metrics go.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="KIND:PATH[@WEIGHT]",
            help="Pairs, rankings or ratings to learn types from; may be given again.",
        ),
    ] = None,
    types: Annotated[int, typer.Option("--types", metavar="K", min=1, max=1024, help="How many types.")] = 8,
    finetune: Annotated[
        list[str] | None,
        typer.Option(
            "--finetune",
            metavar="KIND:PATH",
            help="Sessions to learn choices from afterwards, CLIP included; may be given again.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="paper (Tables 1, 2) or micro.")
    ] = "micro",
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of every draw.")] = 0,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="Steps of the first phase.")
    ] = None,
    finetune_steps: Annotated[
        int | None, typer.Option("--finetune-steps", metavar="N", min=1, help="Steps of the second phase.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    profile: MaybeProfile = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="Where embeddings lie (default: in the data directory)."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda (default: cuda if there).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn user types from preference data, then choices from sessions (§5, App. D)."""
    from pasta_tui.cli._train_user_model import Request, run_training

    run_training(
        Request(
            out=out,
            data=tuple(data or ()),
            finetune=tuple(finetune or ()),
            types=types,
            preset=preset,
            seed=seed,
            steps=steps,
            finetune_steps=finetune_steps,
            resume=resume,
            profile=profile,
            store=store,
            device=device,
            as_json=as_json,
        )
    )
