"""The trajectories that agents are compared on: simulated where they are missing, kept, and read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pasta_core.data.trajectories import TrajectoryRecord, read_trajectories
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.paths import find_assets
from pasta_core.sessions.provenance import versions
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.drafts import SharedFirstDrafts
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import MANIFEST, PER_SHARD, ShardFolder

__all__ = ["Arena", "Report", "same_to"]

Report = Callable[[int, int], None]
"""Gets (done, total)."""

_SAME_TO_PLANTED = 0.3
"""`microworld.ratings.answers.SAME`: the chosen columns of two turns differ by less."""
_SAME_TO_MODEL = 0.2
"""|p_1 - p_0| < 0.1 of §6.2, for p of Eq. 5: tanh(difference / 2) < 0.1."""


def same_to(users: UsersSpec) -> float:
    """Utilities of two turns that differ by less are the same to these users (`agent.Yardstick`)."""
    return _SAME_TO_PLANTED if users.model is None else _SAME_TO_MODEL


@dataclass(frozen=True)
class Arena:
    """What all selectors are measured on, and below which folder their trajectories are kept."""

    profile: Profile
    settings: SessionSettings
    users: UsersSpec
    prompts: PromptList | None
    trajectories: int
    seed: int
    store: Path
    per_shard: int = PER_SHARD
    """Trajectories that are kept at a time."""
    assets: Path = field(default_factory=find_assets)
    """Where planted raters and what they see with lie."""

    def run(self, selector: SelectorSpec) -> SimulationRun:
        """The simulation of one selector."""
        return SimulationRun(
            self.profile, self.settings, self.users, selector, self.prompts, self.seed, self.assets
        )

    def folder(self, selector: SelectorSpec) -> ShardFolder:
        """Where a selector's trajectories lie; those of equal plans are simulated once."""
        plan = self.run(selector).plan()
        name = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
        path = self.store / f"{selector.name}-{name}"
        # a smaller evaluation takes nothing from a larger one
        reached = max(self._whole, _kept(path, self.per_shard))
        return ShardFolder(path, plan, reached, versions(), self.per_shard)

    async def fill(
        self,
        selectors: Mapping[str, SelectorSpec],
        engine: Callable[[], AbstractAsyncContextManager[LocalEngine]],
        pace: Callable[[str], Report],
    ) -> Mapping[str, ShardFolder]:
        """Simulate what is missing of every selector, one after another on the same models.

        `engine` is started only where something is missing; `pace` makes the report of a selector.
        """
        folders = {name: self.folder(spec) for name, spec in selectors.items()}
        missing = {}
        for name, folder in folders.items():
            with folder.opened(resume=True) as numbers:
                missing[name] = self._wanted(numbers)
        if any(missing.values()):
            async with engine() as started:
                crew = replace(started.crew, writer=SharedFirstDrafts(started.crew.writer))
                running = replace(started, crew=crew)
                for name, folder in folders.items():
                    if not missing[name]:
                        continue
                    with folder.opened(resume=True) as numbers:
                        details = Details(self.profile.name, folder.begun_with)
                        run = self.run(selectors[name])
                        await run.fill(folder, self._wanted(numbers), running, details, pace(name))
        return folders

    def read(self, folder: ShardFolder) -> Sequence[TrajectoryRecord]:
        """The trajectories of a filled folder that this evaluation is about, in order."""
        files = [folder.path / folder.shards[number].file for number in sorted(folder.shards)]
        records = [record for file in files for record in read_trajectories(file)]
        return [record for record in records if int(record.id) < self.trajectories]

    def _wanted(self, missing: Sequence[int]) -> list[int]:
        """Those of the missing trajectories that this evaluation needs, in whole shards."""
        return [number for number in missing if number < self._whole]

    @property
    def _whole(self) -> int:
        """How many, up to the end of a shard."""
        return -(-self.trajectories // self.per_shard) * self.per_shard


def _kept(path: Path, per_shard: int) -> int:
    """How many trajectories the shards in a folder reach to."""
    try:
        shards = json.loads((path / MANIFEST).read_bytes())["shards"]
        return max((per_shard * (1 + int(Path(one["file"]).stem[-5:])) for one in shards), default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
