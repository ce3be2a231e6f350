"""`pasta evaluate`: what trained models are worth on data that they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pasta_tui.cli._options import Json, MaybeDevice, MaybeProfile, MaybeWorker, examples, help_if_bare

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    callback=help_if_bare,
    help="Measure trained models by the paper's protocols.",
)

_EPILOG = examples(
    "pasta evaluate user-model models/8 --data pickapic:data/pickapic --data hpd:data/hpd",
    "pasta evaluate user-model --sweep models --types 1,2,4,8 --data hpd:data/hpd --out figures",
    "pasta evaluate user-model models/8 --data hpd:data/hpd --top-images --out figures",
)

_TYPES_EPILOG = examples(
    "pasta simulate --trajectories 300 --users model:models/8 --out simulated",
    "pasta evaluate types simulated",
    "pasta evaluate types simulated --merge models/8 --out models/merged",
)
_AGENT_EPILOG = examples(
    "pasta evaluate agent --selectors random,value:value-model --trajectories 300",
    "pasta evaluate agent --selectors random,writer,value:value-model,oracle --users model:models/8 --json",
    "pasta evaluate agent --selectors random,writer,value,taste,taste+value,oracle --persons 100 --plot f",
)


@app.command("user-model", epilog=_EPILOG, short_help="How well a user model predicts what people prefer.")
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
    device: MaybeDevice = None,
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


@app.command("types", epilog=_TYPES_EPILOG, short_help="Which user types simulated data tells apart.")
def types(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="What 'pasta simulate --users model:PATH' wrote.")
    ],
    merge: Annotated[
        Path | None,
        typer.Option("--merge", metavar="MODEL", help="The user model it was simulated with."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="With --merge: where the merged one goes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which pairs of user types simulated data tells apart, and which are one type (App. C.2).

    --merge writes the user model with every group of types that are one as a single type.
    """
    from pasta_tui.cli._simulated_types import report_types

    report_types(data, as_json, merge, out)


@app.command("agent", epilog=_AGENT_EPILOG, short_help="Compare selectors on the same simulated users.")
def agent(
    selectors: Annotated[
        str,
        typer.Option(
            "--selectors",
            metavar="NAME,NAME,...",
            help="random, writer, taste[:E], value[:PATH], taste[:E]+value[:PATH], softmax[:PATH],"
            " greedy-belief[:PATH], oracle.",
        ),
    ] = "random,writer,value",
    users: Annotated[
        str, typer.Option("--users", metavar="SPEC", help="Who chooses: model[:PATH] or planted[:SPLIT].")
    ] = "planted:test",
    trajectories: Annotated[
        int | None,
        typer.Option(
            "--trajectories",
            metavar="N",
            min=2,
            help="Paired trajectories of each (default: 1000), made and kept in sixteens.",
        ),
    ] = None,
    persons: Annotated[
        int | None,
        typer.Option("--persons", metavar="P", min=2, help="Follow so many persons over many sessions."),
    ] = None,
    sessions: Annotated[
        int | None,
        typer.Option(
            "--sessions", metavar="S", min=1, max=1000, help="With --persons: sessions of each (default: 10)."
        ),
    ] = None,
    drift: Annotated[
        int | None,
        typer.Option("--drift", metavar="K", help="With --persons: tastes change before session K."),
    ] = None,
    half_life: Annotated[
        str | None,
        typer.Option(
            "--half-life", metavar="DAYS", help="With --persons, one session a day: as a taste's, or 'never'."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="With --persons: where figures go.")
    ] = None,
    reward: Annotated[
        str, typer.Option("--reward", metavar="NAME", help="sparse: the last turn; dense: the sum of all.")
    ] = "sparse",
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="FILE", help="Initial prompts, one a line (default: the grammar's)."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where trajectories are kept (default: the data directory)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of users, prompts and noise.")] = 0,
    at_once: Annotated[
        int | None,
        typer.Option(
            "--at-once",
            metavar="N",
            min=1,
            max=1024,
            help="Trajectories side by side (default: 8), or persons (16).",
        ),
    ] = None,
    profile: MaybeProfile = None,
    worker: MaybeWorker = None,
    as_json: Json = False,
) -> None:
    """Compare selectors on the same simulated users: reward, Better/Same/Worse, gap closed (§6.4, App. F).

    With --persons every user comes back for session after session, and a taste goes along. Trajectories are
    kept, and serve every later evaluation; a stopped one goes on where it was.
    """
    from pasta_tui.cli._evaluate_agent import evaluate_agent
    from pasta_tui.cli._evaluate_agent_request import Request, ReturningPersons

    evaluate_agent(
        Request(
            selectors=selectors,
            users=users,
            trajectories=trajectories,
            reward=reward,
            prompts=prompts,
            out=out,
            seed=seed,
            at_once=at_once,
            flags={"profile": profile, "worker": worker},
            as_json=as_json,
            following=ReturningPersons(persons, sessions, drift, half_life, plot),
        )
    )
