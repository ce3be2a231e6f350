"""Shards: whole or not at all, the same bytes after any stop, and no two simulations in one folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from pasta_core.agent.selectors import RandomSelector
from pasta_core.data.trajectories import TrajectoryRecord, read_trajectories
from pasta_core.domain import CandidateForm
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.simulation.engine import cases, prompt_of, simulate
from pasta_core.simulation.shards import MANIFEST, ShardFolder, reached_by
from tests.support.simulated import small_crew

PLAN: Mapping[str, object] = {"seed": 5, "users": "model:colours"}
PROMPTS = prompt_of(("a red train", "a blue cat at night"))


class Interrupted(Exception):
    """Stands for whatever ends a run."""


async def records_of(
    numbers: Sequence[int], at_once: int, stop_after: int
) -> AsyncIterator[TrajectoryRecord]:
    crew = small_crew(at_once)
    wanted = cases(crew.population, PROMPTS, 5, numbers)
    random = RandomSelector(CandidateForm())
    async with aclosing(simulate(wanted, lambda case: random, crew)) as records:
        count = 0
        async for record in records:
            if count == stop_after:
                raise Interrupted
            count += 1
            yield record


def fill(
    path: Path, total: int, resume: bool = False, at_once: int = 4, stop_after: int = 10**6
) -> list[tuple[int, int]]:
    folder = ShardFolder(path, PLAN, total, {"pasta": "1"}, per_shard=4)
    told: list[tuple[int, int]] = []
    with folder.opened(resume) as missing:
        work = folder.fill(records_of(missing, at_once, stop_after), lambda *step: told.append(step))
        asyncio.run(work)
    return told


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if not file.name.startswith(".")}


def test_a_folder_holds_whole_shards_and_says_what_they_are(tmp_path: Path) -> None:
    told = fill(tmp_path / "a", 10)
    assert told == [(done, 10) for done in range(11)]
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text())
    assert [shard["trajectories"] for shard in manifest["shards"]] == [4, 4, 2]
    assert manifest["complete"] and manifest["plan"] == dict(PLAN)
    read = list(read_trajectories(tmp_path / "a"))
    assert [record.id for record in read] == [f"{number:08d}" for number in range(10)]


@pytest.mark.parametrize("stop_after", [0, 3, 4, 7, 9])
def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    fill(tmp_path / "whole", 10)
    with pytest.raises(Interrupted):
        fill(tmp_path / "stopped", 10, stop_after=stop_after)
    (tmp_path / "stopped" / ".trajectories-00002.parquet.1.tmp").write_bytes(b"half")
    told = fill(tmp_path / "stopped", 10, resume=True, at_once=2)
    assert told[0] == (stop_after // 4 * 4, 10)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert not list((tmp_path / "stopped").glob("*.tmp")) + list((tmp_path / "stopped").glob(".*.tmp"))


def test_a_folder_can_be_asked_for_more(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 10)
    fill(tmp_path / "grown", 6)
    told = fill(tmp_path / "grown", 10, resume=True)
    assert told[0] == (4, 10)
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")


def test_a_folder_loses_nothing_to_a_smaller_number(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    fill(folder, 10)
    whole = contents(folder)
    with pytest.raises(InvalidInput, match="reaches to 10 trajectories, and 6 are asked for") as refused:
        fill(folder, 6, resume=True)
    assert refused.value.hint.startswith("ask for 10 or more")
    assert contents(folder) == whole

    # killed between the last shard and the manifest: the readers see it all the same
    manifest = json.loads(whole[MANIFEST])
    unlisted = manifest | {"shards": manifest["shards"][:2], "complete": False}
    (folder / MANIFEST).write_text(json.dumps(unlisted))
    with pytest.raises(InvalidInput, match="reaches to 9 trajectories, and 8 are asked for"):
        fill(folder, 8, resume=True)
    fill(folder, 10, resume=True)
    assert contents(folder) == whole


def test_a_stopped_run_can_be_asked_for_fewer_than_it_was_for(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fill(tmp_path / "a", 10, stop_after=5)
    assert fill(tmp_path / "a", 6, resume=True)[0] == (4, 6)
    assert len(list(read_trajectories(tmp_path / "a"))) == 6


def test_a_damaged_shard_is_made_again(tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    whole = contents(tmp_path / "a")
    (tmp_path / "a" / "trajectories-00001.parquet").write_bytes(b"PAR1 not any more")
    (tmp_path / "a" / "trajectories-00002.parquet").unlink()
    assert fill(tmp_path / "a", 10, resume=True)[0] == (4, 10)
    assert contents(tmp_path / "a") == whole


def test_nothing_is_done_where_nothing_is_missing(tmp_path: Path) -> None:
    fill(tmp_path / "a", 5)
    folder = ShardFolder(tmp_path / "a", PLAN, 5, {"pasta": "2"}, per_shard=4)
    with folder.opened(resume=True) as missing:
        assert missing == [] and folder.complete
    assert folder.begun_with == {"pasta": "1"}


def test_another_simulation_is_refused_by_what_differs(tmp_path: Path) -> None:
    fill(tmp_path / "a", 5)
    other = ShardFolder(tmp_path / "a", {**PLAN, "seed": 6}, 5, {})
    with pytest.raises(InvalidInput, match="seed 5, not 6"), other.opened(resume=True):
        pass
    with pytest.raises(InvalidInput, match="holds a simulation already"):
        fill(tmp_path / "a", 5)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "other.parquet").write_bytes(b"")
    with pytest.raises(InvalidInput, match="other Parquet files"):
        fill(tmp_path / "b", 5, resume=True)


WHOLE = {
    "format": "pasta-simulation",
    "version": 1,
    "plan": dict(PLAN),
    "versions": {"pasta": "1"},
    "per_shard": 4,
    "trajectories": 5,
    "shards": [{"file": "trajectories-00000.parquet", "trajectories": 4, "sha256": "0"}],
}
SHARD = WHOLE["shards"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "it lacks 'format'"),
        (json.dumps({"format": "pasta-simulation", "version": 1}), "it lacks 'per_shard'"),
        (json.dumps(WHOLE | {"version": 2}), "version 2"),
        (json.dumps(WHOLE | {"plan": None}), "NoneType"),
        (json.dumps(WHOLE | {"versions": "1"}), "items"),
        (json.dumps(WHOLE | {"per_shard": 0}), "0 trajectories in a shard"),
        (json.dumps(WHOLE | {"per_shard": float("inf")}), "infinity"),
        (json.dumps(WHOLE | {"shards": [SHARD | {"file": "../other.parquet"}]}), "names no shard"),
        (json.dumps(WHOLE | {"shards": [{"file": "trajectories-00000.parquet"}]}), "it lacks 'trajectories'"),
    ],
)
def test_a_damaged_manifest_is_one_clear_error(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    for read in (lambda: fill(tmp_path, 5, resume=True), lambda: reached_by(tmp_path, 4)):
        with pytest.raises(InvalidInput, match="does not describe a simulation") as refused:
            read()
        assert words in refused.value.message
    assert contents(tmp_path) == {MANIFEST: text.encode()}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path / "a", PLAN, 5, {})
    with folder.opened(resume=False):
        again = ShardFolder(tmp_path / "a", PLAN, 5, {})
        with pytest.raises(StorageError, match="another process"), again.opened(resume=True):
            pass
