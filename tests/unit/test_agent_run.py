"""The trajectories that agents are compared on: those of equal plans are simulated once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.engines.local import LocalEngine
from pasta_core.engines.prompts import PromptList
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.agent_run import Arena
from pasta_core.evaluation.filling import Report
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import SessionSettings
from pasta_core.simulation.shards import MANIFEST, ShardFolder
from pasta_tui.cli._evaluate_agent import _announced
from tests.support.simulated import small_crew

SHAPE = SessionSettings(turns=2, columns=3, images=1)
PROMPTS = PromptList(("a red train", "a blue cat at night"), 0)


def filled(
    arena: Arena, selectors: Mapping[str, SelectorSpec], announced: list[Mapping[str, int]] | None = None
) -> tuple[Mapping[str, ShardFolder], list[str]]:
    """Run it on small models; the folders, and whose pace was asked for. What was `announced` is noted."""
    paced: list[str] = []
    told = [] if announced is None else announced

    @asynccontextmanager
    async def engine() -> AsyncIterator[LocalEngine]:
        assert told, "the amount is told before a model is started"
        crew = small_crew(4, SHAPE)
        yield LocalEngine(crew, crew.painter, Path(), crew.writer, arena.profile)  # type: ignore[arg-type]

    def pace(name: str) -> Report:
        paced.append(name)
        return lambda done, total: None

    return asyncio.run(arena.fill(selectors, engine, pace, told.append)), paced


def test_two_names_of_one_plan_are_simulated_once(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    arena = Arena(profile, SHAPE, UsersSpec(None, "train"), PROMPTS, 3, 7, tmp_path, per_shard=2)
    random = SelectorSpec("random")
    for again in (False, True):
        folders, paced = filled(arena, {"random": random, "chance": random})
        assert paced == ([] if again else ["random"]), "what is kept is not simulated again"
        assert len(list(tmp_path.iterdir())) == 1
        first, second = (arena.read(folders[name]) for name in ("random", "chance"))
        assert [record.id for record in first] == ["00000000", "00000001", "00000002"]
        assert first == second


def test_what_is_missing_is_told_before_the_start_in_whole_shards(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    few = Arena(profile, SHAPE, UsersSpec(None, "train"), PROMPTS, 3, 7, tmp_path, per_shard=2)
    random, writer = SelectorSpec("random"), SelectorSpec("writer")
    told: list[Mapping[str, int]] = []
    filled(few, {"random": random}, told)
    filled(few, {"random": random}, told)
    more = replace(few, trajectories=5)
    filled(more, {"random": random, "chance": random, "writer": writer}, told)
    assert told == [{"random": 4}, {"random": 2, "writer": 6}]
    assert _announced(told[0], few) == (
        "to simulate: 4 trajectories, in whole shards of 2; --trajectories N asks for fewer"
    )
    assert "8 trajectories (2 of random, 6 of writer), in whole" in _announced(told[1], more)
    least = replace(few, trajectories=2)
    assert _announced({"random": 2, "writer": 2}, least) == (
        "to simulate: 2 selectors x 2 trajectories, in whole shards of 2"
    )


def test_a_smaller_evaluation_takes_nothing_from_a_larger_one(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    few = Arena(profile, SHAPE, UsersSpec(None, "train"), PROMPTS, 1, 7, tmp_path, per_shard=2)
    random = {"random": SelectorSpec("random")}
    folders, _ = filled(replace(few, trajectories=3), random)
    place = folders["random"].path
    manifest = json.loads((place / MANIFEST).read_bytes())
    # killed between the second shard and the manifest
    (place / MANIFEST).write_text(json.dumps(manifest | {"shards": manifest["shards"][:1]}))
    folders, paced = filled(few, random, [{}])
    assert paced == [] and len(few.read(folders["random"])) == 1
    assert len(list(place.glob("*.parquet"))) == 2


def test_an_evaluation_names_a_damaged_manifest(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    few = Arena(profile, SHAPE, UsersSpec(None, "train"), PROMPTS, 1, 7, tmp_path, per_shard=2)
    random = {"random": SelectorSpec("random")}
    folders, _ = filled(few, random)
    (folders["random"].path / MANIFEST).write_text('{"format": "pasta-simulation", "version": 1}')
    with pytest.raises(InvalidInput, match=r"does not describe a simulation \(it lacks 'per_shard'\)"):
        filled(few, random)
