"""The micro value model with its card: simulated for, trained by its recipe, measured on new trajectories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pasta_core.agent.captions import CaptionSheet
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.records import Kind
from pasta_core.data.sources import SourceSpec
from pasta_core.data.trajectories import CLIP
from pasta_core.engines.local import LocalEngine, open_local, worker_options
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.agent import FLOOR, AgentResult, Yardstick, evaluate_agents
from pasta_core.evaluation.agent_run import Arena, same_to
from pasta_core.evaluation.micro_value_card import Seeds, ValueFindings, write_card
from pasta_core.evaluation.taste_calibration import WeighedValue, calibration_records, weigh
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
from pasta_core.simulation.shards import PER_SHARD, ShardFolder
from pasta_core.training.value_base import shipped_base
from pasta_core.worker.services import Worker, local_command

__all__ = ["ValueModelBuild"]

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

    It is a part of `recipes.build`. In the workshop's folder lie `simulated` and `weighed` (as `pasta
    simulate --users model --embeddings` writes them), `value-model` (as `pasta train-value-model`) and
    `evaluations` (as `pasta evaluate agent --out`): each is gone on with, and taken as it is where it is
    complete.
    """

    paths: Paths
    recipe: ValueModelRecipe = field(default_factory=ValueModelRecipe)
    measured: int = 100
    """Paired trajectories for each kind of users."""
    measured_on: Mapping[str, str] = field(default_factory=lambda: MEASURED_ON)
    """Kinds of users: what the card calls them, and their `--users`."""
    session: SessionSettings | None = None
    """The shape of a session, None for the profile's."""
    weighed: int = 64
    """Trajectories on which it is weighed beside the taste."""

    def __call__(self, out: Path, shop: Workshop, start: Path | None) -> None:
        """Simulate, train, weigh and measure into `out/value`; returns early where it was stopped."""
        # a value model that is being replaced is none of those it needs
        profile = replace(load_profile("micro", self.paths), value_model=None)
        if self.session is not None:
            profile = replace(profile, session=self.session)
        base, assets = shipped_base(self.paths.assets), self.paths.assets
        stage, seeds = _Stage(profile, assets, shop), Seeds.of(shop.seed)
        data, recipe = shop.folder / "simulated", self.recipe
        session = replace(profile.session, images=recipe.images)
        if stage.run(stage.simulate(data, recipe.trajectories, session, seeds.data)) is None:
            return
        trained = train_micro_value_model(data, base, assets, shop, recipe)
        if trained is None:
            return
        facts = ship_value_model(trained, out / VALUE)
        weighed = stage.run(stage.weigh(out / VALUE, self.weighed, seeds.weighed))
        if weighed is None:
            return
        found = {}
        for title, users in self.measured_on.items():
            spec = UsersSpec.parse(users, profile)
            results = stage.run(stage.measure(out / VALUE, spec, self.measured, seeds.measured))
            if results is None:
                return
            found[title] = results
        told = ValueFindings(facts, recipe.images, seeds, weighed, found)
        write_card(out / VALUE, told)


@dataclass(frozen=True)
class _Stage:
    """The models that trajectories are made with, for whatever users."""

    profile: Profile
    assets: Path
    shop: Workshop

    async def simulate(
        self, place: Path, trajectories: int, session: SessionSettings, seed: int
    ) -> ShardFolder:
        """Data: users of the user model under random slates (App. C.1)."""
        users, random = UsersSpec.parse("model", self.profile), SelectorSpec(FLOOR)
        run = SimulationRun(self.profile, session, users, random, None, seed, self.assets)
        plan = run.plan() | {"images": False, "embeddings": True}
        now = versions() | {CLIP: encoder_fingerprint(self.profile.clip.model)}
        folder = ShardFolder(place, plan, trajectories, now)
        with folder.opened(resume=True) as missing:
            if missing:
                async with self._engine(users, session) as engine:
                    details = Details(self.profile.name, folder.begun_with, embeddings=True)
                    await run.fill(folder, missing, engine, details, self._report("simulating"))
        return folder

    async def weigh(self, model: Path, trajectories: int, seed: int) -> WeighedValue:
        """How it is weighed beside the taste, on data of a seed of its own."""
        place = self.shop.folder / "weighed"
        await self.simulate(place, trajectories, self.profile.session, seed)
        spec = SourceSpec(Kind.TRAJECTORIES, place)
        records = await asyncio.to_thread(calibration_records, [spec], self.profile)
        # how many there are is the recipe's to say
        return await weigh(records, model, self.profile, self._report("weighing"), fewest=1)

    async def measure(self, model: Path, users: UsersSpec, count: int, seed: int) -> Sequence[AgentResult]:
        """The value model against random slates on users, prompts and noise of a seed of their own."""
        store = self.shop.folder / "evaluations"
        profile, whole = self.profile, min(count, PER_SHARD)
        arena = Arena(profile, profile.session, users, None, count, seed, store, whole, self.assets)
        selectors = {FLOOR: SelectorSpec(FLOOR), VALUE: SelectorSpec(VALUE, model)}
        folders = await arena.fill(
            selectors,
            lambda: self._engine(users, profile.session),
            lambda name: self._report(f"measuring {name}"),
        )
        records = {name: arena.read(folder) for name, folder in folders.items()}
        return evaluate_agents(records, Yardstick(True, same_to(users), seed))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end, or to where somebody asked to stop: None. Finished shards are kept."""
        return asyncio.run(_unless_stopped(work, self.shop.stop))

    def _engine(self, users: UsersSpec, session: SessionSettings) -> AbstractAsyncContextManager[LocalEngine]:
        profile = self.profile
        worker = Worker(
            local_command(profile.name, *worker_options(profile)),
            self.shop.folder / "worker.log",
            captions=None if profile.captions is None else CaptionSheet.load(profile.captions),
            profile=profile.name,
        )
        return open_local(worker, profile, self.assets, session, users, _AT_ONCE)

    def _report(self, part: str) -> Callable[[int, int], None]:
        return lambda done, total: self.shop.report(part, {"step": done, "steps": total})


async def _unless_stopped(work: Coroutine[Any, Any, Any], stop: Callable[[], bool]) -> Any:
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=_LOOK)
        if stop():
            task.cancel()
    return None if task.cancelled() else task.result()
