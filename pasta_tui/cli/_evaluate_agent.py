"""Measuring agents from the command line: simulate what lacks, read it back, compare, tell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pasta_core.configuration import Configuration, configure
from pasta_core.engines.local import AT_ONCE
from pasta_core.engines.prompts import read_prompts
from pasta_core.engines.specs import SelectorSpec, UsersSpec, require_belief, selector_under
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.agent import AgentResult, Yardstick, evaluate_agents
from pasta_core.evaluation.agent_run import Arena, same_to
from pasta_core.simulation.shards import ShardFolder
from pasta_tui.cli._evaluate_agent_report import document, table
from pasta_tui.cli._evaluate_agent_request import Request
from pasta_tui.cli._started_engine import started_engine
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.console.run import run_until_stopped
from pasta_tui.console.seeds import checked_seed

__all__ = ["evaluate_agent"]

_REWARDS = ("sparse", "dense")


def evaluate_agent(request: Request) -> None:
    """Simulate every selector on the same users, prompts and seeds, and compare what they were worth."""
    out = Output(os.environ, request.as_json)
    if request.reward not in _REWARDS:
        raise InvalidInput(f"there is no reward {request.reward!r}", f"choose {' or '.join(_REWARDS)}")
    checked_seed(request.seed)
    request.following.check(request.trajectories)
    config = configure(request.flags, os.environ, Path.cwd())
    selectors = _selectors(request.selectors, config)
    # raters that something was trained on would flatter it
    users = UsersSpec.parse(request.users, config.profile, planted="test")
    for selector in selectors.values():
        require_belief(selector, users)
    request = replace(request, users=str(users))
    prompts = None if request.prompts is None else read_prompts(request.prompts)
    store = request.out or config.paths.data / "evaluations"
    if request.following.persons is not None:
        from pasta_tui.cli._evaluate_agent_persons import evaluate_over_sessions

        evaluate_over_sessions(request, config, selectors, users, prompts, store, out)
        return
    arena = Arena(
        config.profile,
        config.session,
        users,
        prompts,
        request.paired,
        request.seed,
        store,
        assets=config.paths.assets,
    )
    try:
        folders = run_until_stopped(_simulate(arena, selectors, config, request.at_once or AT_ONCE, out))
    except Stopped:
        out.end_progress()
        out.message("the finished shards are kept; the same command goes on from there")
        raise
    out.progress("comparing")
    records = {name: arena.read(folder) for name, folder in folders.items()}
    same = same_to(users)
    results = evaluate_agents(records, Yardstick(request.reward == "sparse", same, request.seed))
    out.end_progress()
    _tell(results, request, folders, out)


def _selectors(text: str, config: Configuration) -> dict[str, SelectorSpec]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise InvalidInput("there is no selector to evaluate", "write --selectors random,writer,value:PATH")
    return {name: selector_under(name, config.profile) for name in names}


async def _simulate(
    arena: Arena,
    selectors: Mapping[str, SelectorSpec],
    config: Configuration,
    at_once: int,
    out: Output,
) -> Mapping[str, ShardFolder]:
    """Run what is missing of every selector."""

    folders = await arena.fill(
        selectors,
        lambda: started_engine(config, arena.users, at_once, out),
        lambda name: Pace(out, f"trajectories of {name}").report,
        lambda lacking: out.message(_announced(lacking, arena)),
    )
    out.end_progress()
    return folders


def _announced(lacking: Mapping[str, int], arena: Arena) -> str:
    """How much is going to be simulated, and how to ask for less where that is possible."""
    first, *others = lacking.values()
    if any(count != first for count in others):
        each = ", ".join(f"{count:,} of {name}" for name, count in lacking.items())
        amount = f"{sum(lacking.values()):,} trajectories ({each})"
    else:
        amount = f"{f'{len(lacking)} selectors x ' if others else ''}{first:,} trajectories"
    fewer = "; --trajectories N asks for fewer" if arena.trajectories > arena.per_shard else ""
    return f"to simulate: {amount}, in whole shards of {arena.per_shard}{fewer}"


def _tell(
    results: Sequence[AgentResult], request: Request, folders: Mapping[str, ShardFolder], out: Output
) -> None:
    if request.as_json:
        out.document(
            {
                "users": request.users,
                "reward": request.reward,
                "seed": request.seed,
                "trajectories": request.paired,
                "results": [document(result, folders[result.selector].path) for result in results],
            }
        )
        return
    for line in table(results, request.paired, request.reward):
        out.data(line)
