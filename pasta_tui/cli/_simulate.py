"""Simulations from the command line: what is asked for, progress, and a stop that loses no shard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.trajectories import CLIP
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import read_prompts
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import UsersSpec, require_belief, selector_under
from pasta_core.errors import InvalidInput
from pasta_core.sessions.provenance import changed_versions, versions
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder
from pasta_tui.cli._started_engine import started_engine
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.console.run import run_until_stopped
from pasta_tui.console.seeds import checked_seed

__all__ = ["Request", "check_engine", "run_simulation"]

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Request:
    """What was typed."""

    trajectories: int
    out: Path
    users: str
    selector: str
    prompts: Path | None
    engine: str
    resume: bool
    seed: int
    images: bool
    embeddings: bool
    at_once: int
    cluster: str | None
    painters: int
    writers: int
    flags: Mapping[str, Any]
    as_json: bool


def run_simulation(request: Request) -> None:
    """Simulate, or go on simulating; what was finished is kept however it ends."""
    out = Output(os.environ, request.as_json)
    checked_seed(request.seed)
    config = configure(request.flags, os.environ, Path.cwd())
    check_engine(request, config)
    users = UsersSpec.parse(request.users, config.profile)
    selector = selector_under(request.selector, config.profile)
    require_belief(selector, users)
    prompts = None if request.prompts is None else read_prompts(request.prompts)
    if prompts is not None and prompts.too_long:
        out.note(f"{prompts.too_long} prompts have more than 10 words and are left out (App. C.1)")
    assets = config.paths.assets
    run = SimulationRun(config.profile, config.session, users, selector, prompts, request.seed, assets)
    plan = run.plan() | {"images": request.images, "embeddings": request.embeddings}
    now = _versions(config)
    folder = ShardFolder(request.out, plan, request.trajectories, now)
    with folder.opened(request.resume) as missing:
        for line in changed_versions(folder.begun_with, now):
            out.note(line)
        if missing:
            try:
                run_until_stopped(_fill(run, folder, missing, request, config, out))
            except Stopped:
                out.end_progress()
                out.message("the finished shards are kept; the same command with --resume goes on from there")
                raise
    _tell(request, folder, out)


def check_engine(request: Request, config: Configuration) -> None:
    """Refuse an engine that there is not, and what says nothing to the one that is asked for."""
    if request.engine not in ENGINES:
        raise InvalidInput(f"there is no engine {request.engine!r}", f"choose {' or '.join(ENGINES)}")
    if request.engine == "ray":
        if config.worker:
            source = config.sources["worker"]
            by = {"flag": "--worker", "environment": "PASTA_WORKER"}.get(source, source)
            raise InvalidInput(
                f"--engine ray runs the models in actors, not in the worker that {by} names",
                "leave --worker out" if source == "flag" else 'overrule it with --worker ""',
            )
        return
    given = {"--cluster": request.cluster, "--painters": request.painters, "--writers": request.writers}
    for name, value in given.items():
        if value:
            raise InvalidInput(f"{name} is for --engine ray", f"add --engine ray, or leave {name} out")


def _versions(config: Configuration) -> dict[str, str]:
    """The versions, and by its fingerprint the CLIP whose embeddings the shards carry, where it is here."""
    clip = config.profile.clip.model
    return versions() | ({CLIP: encoder_fingerprint(clip)} if clip.is_dir() else {})


async def _fill(
    run: SimulationRun,
    folder: ShardFolder,
    missing: list[int],
    request: Request,
    config: Configuration,
    out: Output,
) -> None:
    pace = Pace(out, "trajectories")
    try:
        async with _engine(request, config, run.users, out) as engine:
            details = Details(config.profile.name, folder.begun_with, request.images, request.embeddings)
            await run.fill(folder, missing, engine, details, pace.report)
    finally:
        out.end_progress()


def _engine(
    request: Request, config: Configuration, users: UsersSpec, out: Output
) -> AbstractAsyncContextManager[LocalEngine]:
    if request.engine != "ray":
        return started_engine(config, users, request.at_once, out)
    from pasta_core.engines.ray_engine import RayCluster, open_ray

    out.progress("starting the models")
    cluster = RayCluster(request.cluster, request.painters, request.writers)
    assets, settings = config.paths.assets, config.session
    return open_ray(cluster, config.profile, assets, settings, users, request.at_once, out.note)


def _tell(request: Request, folder: ShardFolder, out: Output) -> None:
    if request.as_json:
        out.document(folder.document())
        return
    out.data(f"trajectories:{request.out}")
