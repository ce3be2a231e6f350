"""`pasta simulate`: trajectories of simulated users, the data that the agent learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeProfile, MaybeWorker, examples

__all__ = ["EPILOG", "simulate"]

EPILOG = examples(
    "pasta simulate --trajectories 1000 --users model:models/8 --out data/simulated",
    "pasta simulate --trajectories 1000 --users model:models/8 --out data/simulated --resume",
    "pasta simulate --trajectories 100 --users planted --selector oracle --out data/oracle",
)


def simulate(
    trajectories: Annotated[
        int, typer.Option("--trajectories", metavar="N", min=1, help="How many trajectories.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the Parquet shards go.")],
    users: Annotated[
        str,
        typer.Option("--users", metavar="SPEC", help="Who chooses: model[:PATH] or planted[:SPLIT]."),
    ] = "planted",
    selector: Annotated[
        str,
        typer.Option(
            "--selector",
            metavar="NAME",
            help="random, writer, taste[:E], value[:PATH], taste[:E]+value[:PATH], softmax[:PATH],"
            " greedy-belief[:PATH] or oracle.",
        ),
    ] = "random",
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="FILE", help="Initial prompts, one a line (default: the grammar's)."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="NAME", help="Where it runs: local or ray.")
    ] = "local",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same trajectories.")] = 0,
    images: Annotated[bool, typer.Option("--images", help="Keep the images too.")] = False,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Keep the images' CLIP embeddings too.")
    ] = False,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", min=1, max=1024, help="Trajectories side by side.")
    ] = 8,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS", help="With ray: its head, or auto (default: a new one)."
        ),
    ] = None,
    painters: Annotated[
        int, typer.Option("--painters", metavar="N", min=0, help="With ray: painting actors (0: what fits).")
    ] = 0,
    writers: Annotated[
        int, typer.Option("--writers", metavar="N", min=0, help="With ray: writing actors (0: what fits).")
    ] = 0,
    profile: MaybeProfile = None,
    worker: MaybeWorker = None,
    as_json: Json = False,
) -> None:
    """Let simulated users work through sessions, and keep every turn: the agent's training data (App. C).

    Nothing that was written is lost when it is stopped; --resume goes on to the same bytes.
    """
    from pasta_tui.cli._simulate import Request, run_simulation

    run_simulation(
        Request(
            trajectories=trajectories,
            out=out,
            users=users,
            selector=selector,
            prompts=prompts,
            engine=engine,
            resume=resume,
            seed=seed,
            images=images,
            embeddings=embeddings,
            at_once=at_once,
            cluster=cluster,
            painters=painters,
            writers=writers,
            flags={"profile": profile, "worker": worker},
            as_json=as_json,
        )
    )
