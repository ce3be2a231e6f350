"""`pasta train-user-model` and `pasta train-value-model`: who users are, and what is worth showing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeDevice, MaybeProfile, Resume, examples

__all__ = ["EPILOG", "VALUE_EPILOG", "train_user_model", "train_value_model"]

EPILOG = examples(
    "pasta train-user-model --data pickapic:data/pickapic --data hpd:data/hpd@0.5 --types 8 --out user-model",
    "pasta train-user-model --data pickapic:data/pickapic --types 8 --out user-model --resume",
    "accelerate launch --num_processes 4 -m pasta_tui train-user-model ...    one process a device",
)

VALUE_EPILOG = examples(
    "pasta train-value-model --data trajectories:simulated --reward sparse --out value-model",
    "pasta train-value-model --data trajectories:simulated --data sessions:study@2 --users model:types ...",
    "pasta train-value-model --data trajectories:simulated --reward sparse --out value-model --resume",
    "pasta train-value-model ... --base gemma-2b --preset paper --lora --set lora_rank=32",
)


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
    resume: Resume = False,
    profile: MaybeProfile = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="Where embeddings lie (default: in the data directory)."),
    ] = None,
    device: MaybeDevice = None,
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


def train_value_model(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model and its metrics go.")],
    reward: Annotated[
        str, typer.Option("--reward", metavar="NAME", help="sparse: the last turn pays; dense: every turn.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="KIND:PATH[@WEIGHT]", help="Trajectories or sessions; may be given again."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base", metavar="DIR", help="The Gemma to start from (default: the shipped micro one)."
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            "--users", metavar="model:PATH", help="The user model that gives people's sessions rewards."
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="paper (Table 3) or micro.")
    ] = "micro",
    objective: Annotated[
        str, typer.Option("--objective", metavar="NAME", help="iql, bellman, regression or columns.")
    ] = "iql",
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of every draw.")] = 0,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Another length.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting of the preset; may be given again."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="The set of models that --users was trained with (default: micro).",
        ),
    ] = None,
    lora: Annotated[
        bool, typer.Option("--lora", help="Learn a small adapter and leave the Gemma as it is (needs peft).")
    ] = False,
    resume: Resume = False,
    device: MaybeDevice = None,
    as_json: Json = False,
) -> None:
    """Learn the value of showing a prompt, by token-level implicit Q-learning (§3.3, App. E)."""
    from pasta_tui.cli._train_value_model import Request, run_training

    run_training(
        Request(
            out=out,
            data=tuple(data or ()),
            reward=reward,
            base=base,
            users=users,
            preset=preset,
            objective=objective,
            seed=seed,
            changes=tuple(set_ or ()) + (() if steps is None else (f"steps={steps}",)),
            lora=lora,
            profile=profile,
            resume=resume,
            device=device,
            as_json=as_json,
        )
    )
