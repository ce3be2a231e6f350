"""`pasta simulate` as a process: kills, Ctrl-C, the same bytes, and one line for what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pasta_core.data.trajectories import read_trajectories
from pasta_core.microworld.ratings.answers import LOWEST_RATING, RATING_STEP
from tests.support.commands import PASTA, complaint, pasta
from tests.support.killing import await_deaths, descendants

SHAPE = {
    "PASTA_TURNS": "1",
    "PASTA_COLUMNS": "2",
    "PASTA_IMAGES": "1",
    "PASTA_CATEGORIES": "2",
    "PASTA_PER_CATEGORY": "1",
    "OMP_NUM_THREADS": "1",
}
COUNT = 20


def arguments(out: Path, *more: str) -> list[str]:
    return ["simulate", "--trajectories", str(COUNT), "--out", str(out), "--seed", "3", *more]


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if not file.name.startswith(".")}


def begin(out: Path, env: dict[str, str], *more: str) -> subprocess.Popen[bytes]:
    """Start a simulation, and wait until its first shard is there."""
    command = [*PASTA, *arguments(out, *more)]
    process = subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 240
    while not (out / "trajectories-00000.parquet").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    return process


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**SHAPE, "PASTA_DATA_DIR": str(tmp_path / "data"), "PASTA_LOGS_DIR": str(tmp_path / "logs")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run writes that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    env = {**SHAPE, "PASTA_DATA_DIR": str(folder / "data"), "PASTA_LOGS_DIR": str(folder / "logs")}
    done = pasta(*arguments(folder / "out", "--json"), env=env)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest["complete"] and [shard["trajectories"] for shard in manifest["shards"]] == [16, 4]
    assert f"{COUNT}/{COUNT} trajectories" in done.stderr
    return folder / "out"


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, env: dict[str, str], whole: Path) -> None:
    killed = begin(tmp_path / "again", env)
    family = descendants(killed.pid)
    killed.kill()
    killed.wait()
    await_deaths(family)
    resumed = pasta(*arguments(tmp_path / "again", "--resume", "--at-once", "3"), env=env)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == f"trajectories:{tmp_path / 'again'}\n"
    assert contents(tmp_path / "again") == contents(whole)


def test_a_lost_worker_costs_nothing_but_time(tmp_path: Path, env: dict[str, str], whole: Path) -> None:
    process = begin(tmp_path / "out", env)
    for victim in descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert contents(tmp_path / "out") == contents(whole)


def test_users_are_planted_and_paid_by_their_utility(whole: Path) -> None:
    records = list(read_trajectories(whole))
    assert [record.id for record in records] == [f"{number:08d}" for number in range(COUNT)]
    assert all(record.user.startswith("planted:") and record.complete for record in records)
    assert all(len(record.initial_prompt.split()) <= 10 for record in records)
    assert len({record.user_type for record in records}) > 3
    for turn in (turn for record in records for turn in record.turns):
        assert turn.utilities is not None and turn.type_utilities is None
        felt = turn.utilities[turn.choice.column]
        assert turn.reward == pytest.approx(1.5 + (felt - LOWEST_RATING) / RATING_STEP)


def test_another_simulation_is_refused(env: dict[str, str], whole: Path) -> None:
    refused = complaint(pasta(*arguments(whole, "--resume", "--images"), env=env), 2)
    assert "images False, not True" in refused
    assert "go on with --resume" in complaint(pasta(*arguments(whole), env=env), 2)


def test_ctrl_c_keeps_the_finished_shards(tmp_path: Path, env: dict[str, str]) -> None:
    process = begin(tmp_path / "out", env)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130), said
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["shards"][0]["trajectories"] == 16
    assert len(list(read_trajectories(tmp_path / "out"))) >= 16
    if process.returncode == 130:
        assert b"--resume goes on from there" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--users", "people"], "there are no users 'people'"),
        (["--users", "planted:nobody"], "there are no users 'planted:nobody'"),
        (["--selector", "best"], "there is no selector 'best'"),
        (["--selector", "random:here"], "asks no model"),
        (["--selector", "greedy-belief"], "needs a user model to believe in"),
        (["--engine", "cloud"], "there is no engine 'cloud'"),
        (["--engine", "ray", "--worker", "ssh gpubox pasta worker"], "not in the worker that --worker names"),
        (["--seed", "-1"], "the seed is -1"),
        (["--prompts", "/nowhere/prompts.txt"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    tmp_path: Path, env: dict[str, str], more: list[str], words: str
) -> None:
    assert words in complaint(pasta(*arguments(tmp_path / "out", *more), env=env), 2)
    assert not (tmp_path / "out").exists()


def test_missing_models_are_named(tmp_path: Path, env: dict[str, str]) -> None:
    for more in (["--users", "model:/nowhere"], ["--selector", "value:/nowhere"]):
        assert "there is no" in complaint(pasta(*arguments(tmp_path / "out", *more), env=env), 3)
