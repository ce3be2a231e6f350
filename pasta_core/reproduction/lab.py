"""What every step of a reproduction works with: the models, one worker, one seed, and who is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pasta_core.engines.fingerprints import content_digest, profile_digest
from pasta_core.engines.local import CALL, LocalEngine, assembled
from pasta_core.engines.specs import UsersSpec
from pasta_core.errors import Cancelled
from pasta_core.microworld.raters import RaterSheet
from pasta_core.paths import Paths
from pasta_core.reproduction.begun import Begun
from pasta_core.reproduction.scale import Scale
from pasta_core.seeds import derive_seed
from pasta_core.settings import Profile, SessionSettings
from pasta_core.simulation.batching import IN_FLIGHT
from pasta_core.training.devices import Devices
from pasta_core.training.user_model_run import TrainingFolder, UserModelRun
from pasta_core.worker.services import Worker

__all__ = ["Lab", "Pace", "SharedWorker", "Stop", "digest", "stopped"]

Pace = Callable[[int, int], None]
"""Gets (done, total)."""
Stop = Callable[[], bool]
"""Says whether somebody asked to stop."""

_AT_ONCE = 16
"""Trajectories side by side: more than a simulation's, as short sessions leave painting's passes emptier."""

T = TypeVar("T")


class SharedWorker:
    """The one worker of all steps, started when the first of them needs it."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None

    async def running(self) -> Worker:
        """The worker; `ModelUnavailable` or `WorkerError` where it does not start."""
        if self._worker is None:
            worker = self._make()
            try:
                await worker.start()
            except BaseException:
                await worker.close()
                raise
            self._worker = worker
        return self._worker

    async def close(self) -> None:
        """End it, if it was started."""
        if self._worker is not None:
            await self._worker.close()
            self._worker = None


@dataclass(frozen=True)
class Lab:
    """Where a reproduction runs, and what it was begun with."""

    profile: Profile
    paths: Paths
    session: SessionSettings
    seed: int
    scale: Scale
    begun: Begun
    devices: Devices
    worker: SharedWorker
    rollouts: Path
    """Where the trajectories of all evaluations lie: those of equal plans are simulated once."""
    pace: Callable[[str], Pace]
    """Makes the report of what is counted, such as `images`."""
    note: Callable[[str], None]

    @property
    def settings(self) -> SessionSettings:
        """The shape of every session."""
        return self.scale.session or self.session

    @property
    def threads(self) -> int:
        """With how many threads torch adds, from the first run to the last."""
        return self.begun.threads

    def ground(self) -> dict[str, Any]:
        """What every step rests on, as JSON types."""
        return {
            "seed": self.seed,
            "threads": self.threads,
            "profile": self.profile.name,
            "models": profile_digest(self.profile),
            "eyes": content_digest(self.paths.assets / "micro" / "eyes"),
            "raters": RaterSheet.load(self.paths.assets).sha256,
        }

    def seed_of(self, *purpose: str | int) -> int:
        """The seed of one purpose."""
        return derive_seed(self.seed, "reproduction", *purpose)

    @asynccontextmanager
    async def engine(
        self, users: UsersSpec, session: SessionSettings | None = None
    ) -> AsyncIterator[LocalEngine]:
        """A simulation engine on the shared worker, for sessions of this lab's shape or another."""
        worker, shape = await self.worker.running(), session or self.settings
        async with assembled(
            worker, self.profile, self.paths.assets, shape, users, _AT_ONCE, CALL, IN_FLIGHT
        ) as engine:
            yield engine

    async def in_thread(self, work: Callable[[Stop], T]) -> T:
        """Run what blocks in a thread; where this is cancelled, `work` is asked to stop and waited for."""
        import torch

        asked = threading.Event()

        def begun() -> T:
            # services of an earlier step may have left another number
            torch.set_num_threads(self.threads)
            return work(asked.is_set)

        task = asyncio.ensure_future(asyncio.to_thread(begun))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            asked.set()
            # it keeps a checkpoint and says that it was stopped
            with suppress(Exception):
                await task
            raise

    def training(self, folder: TrainingFolder, seed: int, stop: Stop) -> UserModelRun:
        """A training in a folder that is begun, or gone on with, on this lab's devices and threads."""
        folder.begin({"threads": self.threads, "seed": seed})
        pace = self.pace("steps")

        def tell(line: Mapping[str, Any]) -> None:
            pace(round(line["step"]), round(line["steps"]))

        return UserModelRun(folder, seed, tell, self.devices, stop)


def stopped() -> Cancelled:
    """What a step raises that was asked to stop and has kept its work."""
    return Cancelled("stopped, and what was done is kept", "the same command goes on from there")


def digest(value: Any) -> str:
    """A short hash of JSON types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
