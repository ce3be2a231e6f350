"""Simulations from the command line: what is asked for, progress, and a stop that loses no shard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.trajectories import CLIP
from pasta_core.engines.fingerprints import content_digest, profile_digest, user_model_digest
from pasta_core.engines.local import PASS_SIZE, LocalEngine, open_local, worker_options
from pasta_core.engines.prompts import PromptList, read_prompts
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput
from pasta_core.sessions.provenance import changed_versions, versions
from pasta_core.simulation.engine import PromptFor, cases, prompt_of, simulate
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder
from pasta_tui.cli._connect import worker_for
from pasta_tui.cli._errors import Stopped
from pasta_tui.cli._output import Output
from pasta_tui.cli._pace import Pace
from pasta_tui.cli._run import run_until_stopped
from pasta_tui.cli._seeds import checked_seed

__all__ = ["Request", "run_simulation"]

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
    if request.engine not in ENGINES:
        raise InvalidInput(f"there is no engine {request.engine!r}", f"choose {' or '.join(ENGINES)}")
    checked_seed(request.seed)
    config = configure(request.flags, os.environ, Path.cwd())
    users = UsersSpec.parse(request.users, config.profile)
    selector = SelectorSpec.parse(request.selector).resolved(config.profile)
    prompts = None if request.prompts is None else read_prompts(request.prompts)
    if prompts is not None and prompts.too_long:
        out.note(f"{prompts.too_long} prompts have more than 10 words and are left out (App. C.1)")
    now = _versions(config)
    folder = ShardFolder(
        request.out, _plan(request, config, users, selector, prompts), request.trajectories, now
    )
    with folder.opened(request.resume) as missing:
        for line in changed_versions(folder.begun_with, now):
            out.note(line)
        if missing:
            try:
                run_until_stopped(_fill(folder, missing, request, config, users, selector, prompts, out))
            except Stopped:
                out.end_progress()
                out.message("the finished shards are kept; the same command with --resume goes on from there")
                raise
    _tell(request, folder, out)


def _versions(config: Configuration) -> dict[str, str]:
    """The versions, and by its fingerprint the CLIP whose embeddings the shards carry, where it is here."""
    clip = config.profile.clip.model
    return versions() | ({CLIP: encoder_fingerprint(clip)} if clip.is_dir() else {})


async def _fill(
    folder: ShardFolder,
    missing: list[int],
    request: Request,
    config: Configuration,
    users: UsersSpec,
    selector: SelectorSpec,
    prompts: PromptList | None,
    out: Output,
) -> None:
    out.progress("starting the models")
    pace = Pace(out, "trajectories")
    try:
        async with _engine(request, config, users, out) as engine:
            select = await engine.selector(selector)
            details = Details(config.profile.name, folder.begun_with, request.images, request.embeddings)
            wanted = cases(engine.crew.population, _prompts(engine, users, prompts), request.seed, missing)
            async with aclosing(simulate(wanted, select, engine.crew, details)) as records:
                await folder.fill(records, pace.report)
    finally:
        out.end_progress()


def _engine(
    request: Request, config: Configuration, users: UsersSpec, out: Output
) -> AbstractAsyncContextManager[LocalEngine]:
    profile, assets, settings = config.profile, config.paths.assets, config.session
    if request.engine == "ray":
        from pasta_core.engines.ray_engine import RayCluster, open_ray

        cluster = RayCluster(request.cluster, request.painters, request.writers)
        return open_ray(cluster, profile, assets, settings, users, request.at_once, out.note)
    worker = worker_for(config, profile, out.note, *worker_options(profile))
    return open_local(worker, profile, assets, settings, users, request.at_once)


def _prompts(engine: LocalEngine, users: UsersSpec, prompts: PromptList | None) -> PromptFor:
    """Prompts of the file, or of the grammar: held-out scenes where the users are no training raters."""
    if prompts is not None:
        return prompt_of(prompts.prompts)
    return engine.grammar_prompts("train" if users.model is not None else users.planted)


def _plan(
    request: Request,
    config: Configuration,
    users: UsersSpec,
    selector: SelectorSpec,
    prompts: PromptList | None,
) -> dict[str, Any]:
    """What decides every byte of the shards: kept beside them, and compared before a run goes on."""
    return {
        "seed": request.seed,
        "users": str(users) if users.model is None else f"model:{user_model_digest(users.model)}",
        "selector": selector.name,
        "selector_model": None if selector.path is None else content_digest(selector.path),
        "prompts": "grammar" if prompts is None else prompts.sha256,
        "profile": config.profile.name,
        "models": profile_digest(config.profile),
        "pass_size": PASS_SIZE,
        "side_by_side": config.profile.writer.slots > 1,
        "settings": asdict(config.session),
        "images": request.images,
        "embeddings": request.embeddings,
    }


def _tell(request: Request, folder: ShardFolder, out: Output) -> None:
    if request.as_json:
        out.document(folder.document())
        return
    out.data(f"trajectories:{request.out}")
