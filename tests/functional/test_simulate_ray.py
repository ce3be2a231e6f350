"""Ray on a local cluster of two nodes: one dies in the middle, and the records are those of one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from pasta_core.agent.selectors import RandomSelector
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import CandidateForm
from pasta_core.engines.local import LocalEngine, open_local, worker_options
from pasta_core.engines.ray_engine import RayCluster, open_ray
from pasta_core.engines.specs import UsersSpec
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import SessionSettings
from pasta_core.simulation.engine import cases, simulate
from pasta_core.worker.services import Worker, local_command

ray = pytest.importorskip("ray")

SETTINGS = SessionSettings(turns=1, columns=2, images=2)
USERS = UsersSpec(None, "train")
COUNT = 10


async def run(engine: LocalEngine, numbers: Sequence[int], after: Any = None) -> list[TrajectoryRecord]:
    """Trajectories of these numbers; `after` the second is called."""
    random = RandomSelector(CandidateForm())
    wanted = cases(engine.crew.population, engine.grammar_prompts("train"), 1, numbers)
    found: list[TrajectoryRecord] = []
    async with aclosing(simulate(wanted, lambda case: random, engine.crew)) as records:
        async for record in records:
            found.append(record)
            if len(found) == 2 and after is not None:
                await asyncio.to_thread(after)
    return found


def test_a_lost_node_costs_nothing_but_time(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    paths = locate({})
    profile = load_profile("micro", paths)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "include_dashboard": False})
    # all cores are taken, so one actor is here, and one of each kind is not
    doomed = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    notes: list[str] = []
    try:

        async def on_cluster() -> list[TrajectoryRecord]:
            asked = RayCluster(painters=2, writers=2)
            async with open_ray(asked, profile, paths.assets, SETTINGS, USERS, 4, notes.append) as engine:
                return await run(
                    engine, range(COUNT), lambda: cluster.remove_node(doomed, allow_graceful=False)
                )

        found = asyncio.run(on_cluster())
    finally:
        ray.shutdown()
        cluster.shutdown()

    async def here() -> list[TrajectoryRecord]:
        command = local_command("micro", *worker_options(profile))
        worker = Worker(command, tmp_path / "worker.log", profile="micro")
        async with open_local(worker, profile, paths.assets, SETTINGS, USERS) as engine:
            return await run(engine, range(COUNT))

    assert found == asyncio.run(here())
    assert any("lost" in note for note in notes)
