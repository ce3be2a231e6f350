"""The trajectories that agents are compared on: simulated where they are missing, kept, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pasta_core.data.trajectories import TrajectoryRecord, read_trajectories
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.evaluation.filling import Announce, EngineStart, Report, fill_missing, name_of_plan, shared
from pasta_core.paths import find_assets
from pasta_core.sessions.provenance import versions
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import PER_SHARD, ShardFolder, reached_by

__all__ = ["Arena", "same_to"]

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
        path = self.store / f"{selector.name}-{name_of_plan(plan)}"
        # a smaller evaluation takes nothing from a larger one
        reached = max(self._whole, reached_by(path, self.per_shard))
        return ShardFolder(path, plan, reached, versions(), self.per_shard)

    async def fill(
        self,
        selectors: Mapping[str, SelectorSpec],
        engine: EngineStart,
        pace: Callable[[str], Report],
        announce: Announce = lambda lacking: None,
    ) -> Mapping[str, ShardFolder]:
        """Simulate what is missing of every selector; `pace` makes the report of one, in trajectories.

        `announce` is told before the engine starts how many trajectories each selector lacks.
        """
        folders = shared({name: self.folder(spec) for name, spec in selectors.items()})

        async def simulate(missing: Mapping[str, Sequence[int]], running: LocalEngine) -> None:
            for name, numbers in missing.items():
                details = Details(self.profile.name, folders[name].begun_with)
                await self.run(selectors[name]).fill(folders[name], numbers, running, details, pace(name))

        await fill_missing(folders, self._missing, engine, simulate, announce)
        return folders

    def read(self, folder: ShardFolder) -> Sequence[TrajectoryRecord]:
        """The trajectories of a filled folder that this evaluation is about, in order."""
        files = [folder.path / folder.shards[number].file for number in sorted(folder.shards)]
        records = [record for file in files for record in read_trajectories(file)]
        return [record for record in records if int(record.id) < self.trajectories]

    @contextmanager
    def _missing(self, folder: ShardFolder) -> Iterator[Sequence[int]]:
        """Take a folder and yield those of its missing trajectories that this evaluation needs."""
        with folder.opened(resume=True) as numbers:
            yield [number for number in numbers if number < self._whole]

    @property
    def _whole(self) -> int:
        """How many, in whole shards."""
        return -(-self.trajectories // self.per_shard) * self.per_shard
