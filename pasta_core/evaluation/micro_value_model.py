"""The micro value model with its card: simulated for, trained by its recipe, measured on new trajectories."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pasta_core.agent.captions import CaptionSheet
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.trajectories import CLIP
from pasta_core.engines.local import LocalEngine, open_local, worker_options
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.agent import FLOOR, AgentResult, Yardstick, evaluate_agents
from pasta_core.evaluation.agent_run import Arena, same_to
from pasta_core.evaluation.metric import Metric
from pasta_core.files import write_atomically
from pasta_core.microworld.recipes.value_model_recipe import (
    ValueModelRecipe,
    ship_value_model,
    train_micro_value_model,
)
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.paths import Paths
from pasta_core.profiles import load_profile
from pasta_core.sessions.provenance import versions
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder
from pasta_core.training.value_base import shipped_base
from pasta_core.worker.services import Worker, local_command

__all__ = ["ValueModelBuild"]

_CARD = """\
# The micro value model

What it is worth to show a prompt, after all that happened before: `pasta session` shows the slates it values
most. A Gemma of the shape of `assets/micro/value-base`, from which it was trained. Weights in float16.

**Data.** {trajectories:,} trajectories of users of `assets/micro/user-model` under random slates (`pasta
simulate --users model`, seed {data_seed}). Those users are learnt from planted raters, who have no other part
in it. **Recipe.** `pasta_core/microworld/recipes/value_model_recipe.py`, seed {seed}: {steps:,} steps of
`pasta train-value-model --reward {reward} --objective {objective} --set discount={discount:g}`, in all else
the `micro` preset. That is not the paper's objective; docs/value-model.md compares them.

**Measured** on paired trajectories of seed {test_seed}, none of which it was trained on; the score is the
last turn's reward (`--reward sparse`, 0 to 10), with 95 % intervals over trajectories:

| users | n | random | value | difference | its final image is preferred |
|---|---|---|---|---|---|
{table}
"""

MEASURED_ON = MappingProxyType(
    {"types of the user model": "model", "planted raters, new individuals": "planted:test"}
)
_AT_ONCE = 16
"""Trajectories side by side, which decides none of them."""
_LOOK = 0.5
"""Seconds between two looks at whether somebody asked to stop."""
VALUE = "value"


@dataclass(frozen=True)
class ValueModelBuild:
    """Builds the micro value model from the profile `micro`, whose models write, paint and choose.

    It is a part of `recipes.build`. In the workshop's folder lie `simulated` (as `pasta simulate --users
    model --embeddings` writes it), `value-model` (as `pasta train-value-model`) and `evaluations` (as `pasta
    evaluate agent --out`): each is gone on with, and taken as it is where it is complete.
    """

    paths: Paths
    recipe: ValueModelRecipe = field(default_factory=ValueModelRecipe)
    measured: int = 100
    """Paired trajectories for each kind of users."""
    measured_on: Mapping[str, str] = field(default_factory=lambda: MEASURED_ON)
    """Kinds of users: what the card calls them, and their `--users`."""
    session: SessionSettings | None = None
    """The shape of a session, None for the profile's."""

    def __call__(self, out: Path, shop: Workshop, start: Path | None) -> None:
        """Simulate, train and measure into `out/value`; returns early where it was stopped."""
        # a value model that is being replaced is none of those it needs
        profile = replace(load_profile("micro", self.paths), value_model=None)
        if self.session is not None:
            profile = replace(profile, session=self.session)
        base, assets = shipped_base(self.paths.assets), self.paths.assets
        stage = _Stage(profile, assets, shop)
        data = shop.folder / "simulated"
        if stage.run(stage.simulate(data, self.recipe.trajectories)) is None:
            return
        trained = train_micro_value_model(data, base, assets, shop, self.recipe)
        if trained is None:
            return
        facts = ship_value_model(trained, out / VALUE)
        found = {}
        for title, users in self.measured_on.items():
            results = stage.run(stage.measure(out / VALUE, UsersSpec.parse(users, profile), self.measured))
            if results is None:
                return
            found[title] = results
        _tell(out / VALUE, facts, found, shop.seed)


@dataclass(frozen=True)
class _Stage:
    """The models that trajectories are made with, for whatever users."""

    profile: Profile
    assets: Path
    shop: Workshop

    async def simulate(self, place: Path, count: int) -> ShardFolder:
        """The data: users of the user model under random slates (App. C.1)."""
        users = UsersSpec.parse("model", self.profile)
        session, random, seed = self.profile.session, SelectorSpec(FLOOR), self.shop.seed
        run = SimulationRun(self.profile, session, users, random, None, seed, self.assets)
        plan = run.plan() | {"images": False, "embeddings": True}
        now = versions() | {CLIP: encoder_fingerprint(self.profile.clip.model)}
        folder = ShardFolder(place, plan, count, now)
        with folder.opened(resume=True) as missing:
            if missing:
                async with self._engine(users) as engine:
                    details = Details(self.profile.name, folder.begun_with, embeddings=True)
                    await run.fill(folder, missing, engine, details, self._report("simulating"))
        return folder

    async def measure(self, model: Path, users: UsersSpec, count: int) -> Sequence[AgentResult]:
        """The value model against random slates on users, prompts and noise of a seed of their own."""
        store, seed = self.shop.folder / "evaluations", _test_seed(self.shop.seed)
        arena = Arena(self.profile, self.profile.session, users, None, count, seed, store, assets=self.assets)
        selectors = {FLOOR: SelectorSpec(FLOOR), VALUE: SelectorSpec(VALUE, model)}
        folders = await arena.fill(
            selectors, lambda: self._engine(users), lambda name: self._report(f"measuring {name}")
        )
        records = {name: arena.read(folder) for name, folder in folders.items()}
        return evaluate_agents(records, Yardstick(True, same_to(users), seed))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end, or to where somebody asked to stop: None. Finished shards are kept."""
        return asyncio.run(_unless_stopped(work, self.shop.stop))

    def _engine(self, users: UsersSpec) -> AbstractAsyncContextManager[LocalEngine]:
        profile = self.profile
        worker = Worker(
            local_command(profile.name, *worker_options(profile)),
            self.shop.folder / "worker.log",
            captions=None if profile.captions is None else CaptionSheet.load(profile.captions),
            profile=profile.name,
        )
        return open_local(worker, profile, self.assets, profile.session, users, _AT_ONCE)

    def _report(self, part: str) -> Callable[[int, int], None]:
        return lambda done, total: self.shop.report(part, {"step": done, "steps": total})


async def _unless_stopped(work: Coroutine[Any, Any, Any], stop: Callable[[], bool]) -> Any:
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=_LOOK)
        if stop():
            task.cancel()
    return None if task.cancelled() else task.result()


def _test_seed(seed: int) -> int:
    """The seed that is measured on: another than the data's."""
    return seed + 1


def _tell(
    folder: Path, facts: Mapping[str, Any], found: Mapping[str, Sequence[AgentResult]], seed: int
) -> None:
    """Write the card and the numbers that it is made of."""
    bars = {
        "training": facts["measured"],
        "agents": {title: [result.as_json() for result in results] for title, results in found.items()},
    }
    write_atomically(folder / "bars.json", json.dumps(bars, indent=2).encode() + b"\n")
    card = _CARD.format(
        trajectories=facts["trajectories"],
        data_seed=seed,
        seed=facts["seed"],
        steps=facts["config"]["steps"],
        reward=facts["reward"],
        objective=facts["objective"],
        discount=facts["config"]["discount"],
        test_seed=_test_seed(seed),
        table="\n".join(_row(title, *results) for title, results in found.items()),
    )
    write_atomically(folder / "README.md", card.encode())


def _row(title: str, floor: AgentResult, value: AgentResult) -> str:
    duel = value.against[FLOOR]
    wins = "always a tie" if duel.wins.value is None else _said(duel.wins, 100, 0, " %")
    cells = (_said(floor.score), _said(value.score), _said(duel.difference), wins)
    return f"| {title} | {value.score.n:,} | {' | '.join(cells)} |"


def _said(metric: Metric, times: float = 1, places: int = 2, unit: str = "") -> str:
    value, low, high, _ = (times * number for number in metric.numbers())
    return f"{value:.{places}f}{unit} ({low:.{places}f} to {high:.{places}f})"
