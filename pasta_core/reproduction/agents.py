"""What agents are worth: to simulated users (Table F.1), to people (Fig. 5), to abstract prompts (Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.agent import Yardstick, agent_results
from pasta_core.evaluation.agent_run import Arena, same_to
from pasta_core.reproduction.lab import Lab, Stop, stopped
from pasta_core.reproduction.pictures import pixels_of
from pasta_core.reproduction.ratings import USERS, user_model_folder
from pasta_core.reproduction.scale import ValueArm
from pasta_core.reproduction.steps import Finding, Inputs, Settings, Step
from pasta_core.reproduction.values import value_model_folder
from pasta_core.sessions.sheet import SheetTurn, write_sheet
from pasta_core.simulation.engine import Case, simulate
from pasta_core.simulation.model_users import ModelUser
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder
from pasta_core.training.value_presets import Reward

__all__ = ["ideas_step", "people_evaluation_step", "sheet_name", "table_step"]

ORACLE, RANDOM, WRITER = "oracle", "random", "writer"


def table_step(arms: Sequence[ValueArm], trajectories: int, oracle: bool, shape: Settings) -> Step:
    """Every value model under the learned user model, by the reward that it is measured by (F.1)."""
    plain = (RANDOM, *((ORACLE,) if oracle else ()))

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        users = UsersSpec(user_model_folder(inputs[USERS]))
        arena = _arena(lab, users, trajectories, "table")
        values = {arm.step: _valued(inputs, arm) for arm in arms}
        folders = await _filled(lab, arena, {name: SelectorSpec(name) for name in plain} | values)

        def measure(stop: Stop) -> dict[str, Any]:
            records = _read(arena, folders, stop)
            found = {}
            for reward in Reward:
                ours = {arm.name: records[arm.step] for arm in arms if arm.reward is reward}
                compared = {name: records[name] for name in plain} | ours
                yardstick = Yardstick(reward is Reward.SPARSE, same_to(users), lab.seed_of("intervals"))
                found[str(reward)] = _measured(compared, yardstick, stop)
            return found

        return Finding(await lab.in_thread(measure))

    settings = {"trajectories": trajectories, "oracle": oracle, "session": shape}
    needs = (USERS, *(arm.step for arm in arms))
    return Step("table", "measure agents under the user model", settings, needs, work)


def people_evaluation_step(
    arms: Sequence[ValueArm], trajectories: int, oracle: bool, shape: Settings
) -> Step:
    """The writer alone, random slates and the sparse value models before new planted raters (Fig. 5)."""
    ours = tuple(arm for arm in arms if arm.reward is Reward.SPARSE)
    plain = (WRITER, RANDOM, *((ORACLE,) if oracle else ()))

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        users = UsersSpec(None, "test")
        arena = _arena(lab, users, trajectories, "people")
        values = {arm.name: _valued(inputs, arm) for arm in ours}
        folders = await _filled(lab, arena, {name: SelectorSpec(name) for name in plain} | values)
        yardstick = Yardstick(True, same_to(users), lab.seed_of("intervals"))

        def measure(stop: Stop) -> dict[str, Any]:
            return {"results": _measured(_read(arena, folders, stop), yardstick, stop)}

        return Finding(await lab.in_thread(measure))

    settings = {"trajectories": trajectories, "oracle": oracle, "session": shape}
    needs = tuple(arm.step for arm in ours)
    return Step("people-evaluation", "measure agents before new planted raters", settings, needs, work)


def _arena(lab: Lab, users: UsersSpec, trajectories: int, purpose: str) -> Arena:
    return Arena(
        lab.profile,
        lab.settings,
        users,
        None,
        trajectories,
        lab.seed_of("evaluation", purpose),
        lab.rollouts,
        lab.scale.shard,
        lab.paths.assets,
    )


def _valued(inputs: Inputs, arm: ValueArm) -> SelectorSpec:
    return SelectorSpec("value", value_model_folder(inputs[arm.step]))


async def _filled(lab: Lab, arena: Arena, selectors: Mapping[str, SelectorSpec]) -> Mapping[str, ShardFolder]:
    """The folders with every selector's paired trajectories."""

    def engine() -> AbstractAsyncContextManager[LocalEngine]:
        return lab.engine(arena.users)

    return await arena.fill(selectors, engine, lambda name: lab.pace(f"trajectories of {name}"))


def _read(
    arena: Arena, folders: Mapping[str, ShardFolder], stop: Stop
) -> Mapping[str, Sequence[TrajectoryRecord]]:
    """The trajectories in them; `Cancelled` where somebody asked to stop."""
    found = {}
    for name, folder in folders.items():
        if stop():
            raise stopped()
        found[name] = arena.read(folder)
    return found


def _measured(
    records: Mapping[str, Sequence[TrajectoryRecord]], yardstick: Yardstick, stop: Stop
) -> list[dict[str, Any]]:
    """What selectors are worth, as JSON types; `Cancelled` where somebody asked to stop."""
    found = []
    for result in agent_results(records, yardstick):
        if stop():
            raise stopped()
        found.append(result.as_json())
    return found


def ideas_step(arm: ValueArm, ideas: Sequence[str], shown: int, shape: Settings) -> Step:
    """Abstract prompts (§6.4): the most frequent types, all from the same prompt and first images."""

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        async with lab.engine(UsersSpec(user_model_folder(inputs[USERS]))) as engine:
            found = {idea: await _rollouts(lab, engine, _valued(inputs, arm), idea, shown) for idea in ideas}
        for idea, records in found.items():
            write_sheet(folder / sheet_name(idea), _sheet(records), title=records[0].initial_prompt)
        told = {idea: _told(records) for idea, records in found.items()}
        return Finding({"agent": arm.name, "ideas": told}, tuple(map(sheet_name, ideas)))

    settings = {"ideas": list(ideas), "shown": shown, "session": shape}
    return Step("ideas", "abstract prompts, paired types", settings, (USERS, arm.step), work)


def sheet_name(idea: str) -> str:
    """The contact sheet of one idea."""
    return f"idea-{idea}.png"


async def _rollouts(
    lab: Lab, engine: LocalEngine, selector: SelectorSpec, idea: str, shown: int
) -> list[TrajectoryRecord]:
    """One trajectory for each of the most frequent types; all that is drawn is drawn alike for them."""
    population = engine.crew.population
    assert population.appraiser is not None
    frequent = np.argsort(-population.appraiser.prior, kind="stable")[:shown].tolist()
    seed = lab.seed_of("idea", idea)
    cases = [
        Case(
            number, seed, f"an image of {idea}", ModelUser(population.name, population.appraiser, kind, seed)
        )
        for number, kind in enumerate(frequent)
    ]
    pace = lab.pace(f"rollouts of {idea}")
    records = []
    select = await engine.selector(selector)
    async with aclosing(simulate(cases, select, engine.crew, Details(images=True))) as finished:
        async for record in finished:
            records.append(record)
            pace(len(records), len(cases))
    return records


def _told(records: Sequence[TrajectoryRecord]) -> dict[str, Any]:
    """Each type's last prompt, and how often it likes its own last images better (ties: half)."""
    kinds = [int(record.user_type or 0) for record in records]
    made = [record.turns[-1] for record in records]
    worth = np.array(
        [[(turn.type_utilities or ())[kind][turn.choice.column] for turn in made] for kind in kinds]
    )
    others = [
        0.5 * (1 + float(np.sign(worth[mine, mine] - worth[mine, other])))
        for mine in range(len(kinds))
        for other in range(len(kinds))
        if mine != other
    ]
    return {
        "prompt": records[0].initial_prompt,
        "types": [
            {"type": kind, "prompt": turn.candidates[turn.slate.indices[turn.choice.column]].prompt}
            for kind, turn in zip(kinds, made, strict=True)
        ],
        "own_preferred": float(np.mean(others)),
        "comparisons": len(others),
    }


def _sheet(records: Sequence[TrajectoryRecord]) -> list[SheetTurn]:
    """The images that all began with, and below what each type ended with."""
    first, made = records[0], [(record, record.turns[-1]) for record in records]
    begun = SheetTurn(0, (tuple(map(pixels_of, first.initial_images)),), (first.initial_prompt,))
    ended = SheetTurn(
        made[0][1].number,
        tuple(tuple(map(pixels_of, turn.columns[turn.choice.column])) for _, turn in made),
        tuple(
            f"type {record.user_type}: {turn.candidates[turn.slate.indices[turn.choice.column]].prompt}"
            for record, turn in made
        ),
    )
    return [begun, ended]
