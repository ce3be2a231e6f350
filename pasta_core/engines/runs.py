"""One simulation on the disk: what decides its trajectories, and how those that are missing are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.engines.fingerprints import content_digest, profile_digest, user_model_digest
from pasta_core.engines.local import LocalEngine, pass_size_of
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.paths import find_assets
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.engine import PromptFor, cases, prompt_of, simulate
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder

__all__ = ["Finish", "SimulationRun"]

Finish = Callable[[TrajectoryRecord], TrajectoryRecord]
"""What is done to a record before it is kept."""


@dataclass(frozen=True)
class SimulationRun:
    """Whose trajectories are simulated under which selector; `prompts` None are the grammar's.

    Planted raters are those of `assets`.
    """

    profile: Profile
    settings: SessionSettings
    users: UsersSpec
    selector: SelectorSpec
    prompts: PromptList | None
    seed: int
    assets: Path = field(default_factory=find_assets)

    def plan(self) -> dict[str, Any]:
        """What decides every byte of the trajectories, as JSON types."""
        users, selector = self.users, self.selector
        world = self.assets / "micro"
        planted = {"raters": content_digest(world / "raters.toml", world / "eyes")}
        return {
            "seed": self.seed,
            "users": str(users) if users.model is None else f"model:{user_model_digest(users.model)}",
            "selector": selector.name,
            "selector_model": content_digest(*selector.models) if selector.models else None,
            "prompts": "grammar" if self.prompts is None else self.prompts.sha256,
            "profile": self.profile.name,
            "models": profile_digest(self.profile),
            "pass_size": pass_size_of(self.profile),
            "side_by_side": self.profile.writer.slots > 1,
            "settings": asdict(self.settings),
            **(planted if users.model is None else {}),
        }

    async def fill(
        self,
        folder: ShardFolder,
        numbers: Iterable[int],
        engine: LocalEngine,
        details: Details,
        report: Callable[[int, int], None],
        finish: Finish | None = None,
    ) -> None:
        """Simulate these trajectories into an opened folder; `report` gets (done, total)."""
        select = await engine.selector(self.selector)
        wanted = cases(engine.crew.population, self.prompt_for(engine), self.seed, numbers)
        async with aclosing(simulate(wanted, select, engine.crew, details)) as records:
            await folder.fill(records if finish is None else _finished(records, finish), report)

    def prompt_for(self, engine: LocalEngine) -> PromptFor:
        """Prompts of the file, or of the grammar: held-out scenes before raters kept out of all training."""
        if self.prompts is not None:
            return prompt_of(self.prompts.prompts)
        return engine.grammar_prompts("train" if self.users.model is not None else self.users.planted)


async def _finished(
    records: AsyncIterator[TrajectoryRecord], finish: Finish
) -> AsyncIterator[TrajectoryRecord]:
    async for record in records:
        yield await asyncio.to_thread(finish, record)
