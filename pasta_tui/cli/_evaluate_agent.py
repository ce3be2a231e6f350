"""Measuring agents from the command line: simulate what lacks, read it back, compare, tell."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.data.trajectories import TrajectoryRecord, read_trajectories
from pasta_core.engines.fingerprints import content_digest, profile_digest, user_model_digest
from pasta_core.engines.local import PASS_SIZE, LocalEngine, open_local, worker_options
from pasta_core.engines.prompts import PromptList, read_prompts
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.agent import AgentResult, Yardstick, evaluate_agents
from pasta_core.sessions.provenance import versions
from pasta_core.simulation.engine import PromptFor, cases, prompt_of, simulate
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import MANIFEST, PER_SHARD, ShardFolder
from pasta_tui.cli._connect import worker_for
from pasta_tui.cli._errors import Stopped
from pasta_tui.cli._evaluate_agent_report import document, table
from pasta_tui.cli._output import Output
from pasta_tui.cli._pace import Pace
from pasta_tui.cli._run import run_until_stopped
from pasta_tui.cli._seeds import checked_seed

__all__ = ["Request", "evaluate_agent"]

_REWARDS = ("sparse", "dense")

_SAME_TO_PLANTED = 0.3
"""`microworld.ratings.answers.SAME`: the chosen columns of two turns differ by less."""
_SAME_TO_MODEL = 0.2
"""|p_1 - p_0| < 0.1 of §6.2, for p of Eq. 5: tanh(difference / 2) < 0.1."""


@dataclass(frozen=True)
class Request:
    """What was typed."""

    selectors: str
    users: str
    trajectories: int
    reward: str
    prompts: Path | None
    out: Path | None
    seed: int
    at_once: int
    flags: Mapping[str, Any]
    as_json: bool


@dataclass(frozen=True)
class _Bench:
    """What all selectors are measured on."""

    request: Request
    config: Configuration
    users: UsersSpec
    prompts: PromptList | None
    store: Path

    def plan(self, selector: SelectorSpec) -> dict[str, Any]:
        """What decides every byte of a selector's trajectories."""
        users, profile = self.users, self.config.profile
        return {
            "seed": self.request.seed,
            "users": str(users) if users.model is None else f"model:{user_model_digest(users.model)}",
            "selector": selector.name,
            "selector_model": None if selector.path is None else content_digest(selector.path),
            "prompts": "grammar" if self.prompts is None else self.prompts.sha256,
            "profile": profile.name,
            "models": profile_digest(profile),
            "pass_size": PASS_SIZE,
            "side_by_side": profile.writer.slots > 1,
            "settings": asdict(self.config.session),
        }

    def folder(self, selector: SelectorSpec) -> ShardFolder:
        """Where a selector's trajectories lie; those of equal plans are simulated once."""
        plan = self.plan(selector)
        name = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
        path = self.store / f"{selector.name}-{name}"
        # a smaller evaluation takes nothing from a larger one
        return ShardFolder(path, plan, max(_whole(self.request.trajectories), _kept(path)), versions())

    def wanted(self, missing: Sequence[int]) -> list[int]:
        """Those of the missing trajectories that this evaluation needs, in whole shards."""
        return [number for number in missing if number < _whole(self.request.trajectories)]

    def prompt_for(self, engine: LocalEngine) -> PromptFor:
        """Prompts of the file, or of the grammar: held-out scenes where the users are no training raters."""
        if self.prompts is not None:
            return prompt_of(self.prompts.prompts)
        return engine.grammar_prompts("train" if self.users.model is not None else self.users.planted)


def _whole(trajectories: int) -> int:
    """So many, up to the end of a shard."""
    return -(-trajectories // PER_SHARD) * PER_SHARD


def _kept(path: Path) -> int:
    """How many trajectories the shards in a folder reach to."""
    try:
        shards = json.loads((path / MANIFEST).read_bytes())["shards"]
        return max((PER_SHARD * (1 + int(Path(one["file"]).stem[-5:])) for one in shards), default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def evaluate_agent(request: Request) -> None:
    """Simulate every selector on the same users, prompts and seeds, and compare what they were worth."""
    out = Output(os.environ, request.as_json)
    if request.reward not in _REWARDS:
        raise InvalidInput(f"there is no reward {request.reward!r}", f"choose {' or '.join(_REWARDS)}")
    checked_seed(request.seed)
    config = configure(request.flags, os.environ, Path.cwd())
    selectors = _selectors(request.selectors, config)
    users = UsersSpec.parse(request.users, config.profile)
    prompts = None if request.prompts is None else read_prompts(request.prompts)
    store = request.out or config.paths.data / "evaluations"
    bench = _Bench(request, config, users, prompts, store)
    folders = {name: bench.folder(spec) for name, spec in selectors.items()}
    try:
        run_until_stopped(_simulate(bench, selectors, folders, out))
    except Stopped:
        out.end_progress()
        out.message("the finished shards are kept; the same command goes on from there")
        raise
    out.progress("comparing")
    records = {name: _read(folder, request.trajectories) for name, folder in folders.items()}
    same = _SAME_TO_PLANTED if users.model is None else _SAME_TO_MODEL
    results = evaluate_agents(records, Yardstick(request.reward == "sparse", same, request.seed))
    out.end_progress()
    _tell(results, request, folders, out)


def _selectors(text: str, config: Configuration) -> dict[str, SelectorSpec]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise InvalidInput("there is no selector to evaluate", "write --selectors random,writer,value:PATH")
    found = {}
    for name in names:
        spec = SelectorSpec.parse(name).resolved(config.profile)
        if spec.name in ("value", "softmax") and spec.path is not None:
            _require_value_model(spec.path)
        found[name] = spec
    return found


def _require_value_model(path: Path) -> None:
    if not (path / "value_model.json").is_file():
        raise InvalidInput(f"there is no value model in {path}", "'pasta train-value-model' makes one")


async def _simulate(
    bench: _Bench, selectors: Mapping[str, SelectorSpec], folders: Mapping[str, ShardFolder], out: Output
) -> None:
    """Run what is missing of every selector, one after another on the same models."""
    missing = {}
    for name, folder in folders.items():
        with folder.opened(resume=True) as numbers:
            missing[name] = bench.wanted(numbers)
    if not any(missing.values()):
        return
    request, config = bench.request, bench.config
    worker = worker_for(config, config.profile, out.note, *worker_options(config.profile))
    out.progress("starting the models")
    assets, settings = config.paths.assets, config.session
    async with open_local(worker, config.profile, assets, settings, bench.users, request.at_once) as engine:
        for name, folder in folders.items():
            if not missing[name]:
                continue
            pace = Pace(out, f"trajectories of {name}")
            with folder.opened(resume=True) as numbers:
                select = await engine.selector(selectors[name])
                wanted = cases(
                    engine.crew.population, bench.prompt_for(engine), request.seed, bench.wanted(numbers)
                )
                details = Details(config.profile.name, folder.begun_with)
                async with aclosing(simulate(wanted, select, engine.crew, details)) as records:
                    await folder.fill(records, pace.report)
    out.end_progress()


def _read(folder: ShardFolder, count: int) -> Sequence[TrajectoryRecord]:
    """The first `count` trajectories, in order."""
    files = [folder.path / folder.shards[number].file for number in sorted(folder.shards)]
    return [record for file in files for record in read_trajectories(file) if int(record.id) < count]


def _tell(
    results: Sequence[AgentResult], request: Request, folders: Mapping[str, ShardFolder], out: Output
) -> None:
    if request.as_json:
        out.document(
            {
                "users": request.users,
                "reward": request.reward,
                "seed": request.seed,
                "trajectories": request.trajectories,
                "results": [document(result, folders[result.selector].path) for result in results],
            }
        )
        return
    for line in table(results, request.trajectories, request.reward):
        out.data(line)
