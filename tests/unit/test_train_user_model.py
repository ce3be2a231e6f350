"""Training a user model: a stop, a kill or another process beside it change nothing of the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pasta_core.errors import InvalidInput, PastaError
from pasta_core.training.devices import ONE_DEVICE
from pasta_core.training.metrics import MetricsFile
from pasta_core.training.presets import PRESETS, preset_named
from pasta_core.training.user_model_run import TrainingFolder
from pasta_core.users.model_files import load_user_model
from pasta_core.users.user_model import UserModel
from tests.support.train_planted import train

STEPS = 30
PROGRAM = (sys.executable, "-m", "tests.support.train_planted")
THREADS = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
"""A sum in as many parts is rounded alike."""


def _weights(model: UserModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _same(one: UserModel, other: UserModel) -> bool:
    mine, theirs = _weights(one), _weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, UserModel]:
    folder = tmp_path_factory.mktemp("whole")
    model = train(folder, STEPS, ONE_DEVICE)
    assert model is not None
    return folder, model


def test_a_stopped_training_ends_at_the_same_weights(tmp_path: Path, whole: tuple[Path, UserModel]) -> None:
    steps = iter(range(1000))
    assert train(tmp_path, STEPS, ONE_DEVICE, stop=lambda: next(steps) >= 13) is None
    resumed = train(tmp_path, STEPS, ONE_DEVICE)
    assert resumed is not None
    assert _same(resumed, whole[1])
    assert [line["step"] for line in _lines(tmp_path)] == list(range(5, STEPS + 1, 5))
    assert _lines(tmp_path)[-1]["held_out_accuracy"] == _lines(whole[0])[-1]["held_out_accuracy"]


def test_a_killed_training_ends_at_the_same_weights(tmp_path: Path, whole: tuple[Path, UserModel]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, str(tmp_path), str(STEPS)], stdout=subprocess.PIPE, env=THREADS, text=True
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["step"] == 5
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "user_model.json").exists()
    resumed = train(tmp_path, STEPS, ONE_DEVICE)
    assert resumed is not None
    assert _same(resumed, whole[1])
    assert [line["step"] for line in _lines(tmp_path)] == list(range(5, STEPS + 1, 5))


def test_two_processes_learn_what_one_does(tmp_path: Path, whole: tuple[Path, UserModel]) -> None:
    launch = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    program = ("-m", "tests.support.train_planted", str(tmp_path), str(STEPS), "2")
    run = subprocess.run(
        [*launch, *program], capture_output=True, text=True, env=THREADS, timeout=900, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    alone, both = _lines(whole[0]), _lines(tmp_path)
    assert [line["step"] for line in both] == [line["step"] for line in alone]
    for key in ("loss", "held_out_loss", "posterior_entropy"):
        # a sum in another order, whose difference grows a little with every step
        assert [line[key] for line in both] == pytest.approx([line[key] for line in alone], rel=2e-3), key
    assert both[-1]["prior"] == pytest.approx(alone[-1]["prior"], abs=1e-3)


def test_the_model_is_kept_with_how_it_was_trained(whole: tuple[Path, UserModel]) -> None:
    folder, model = whole
    assert _same(load_user_model(folder), model)
    facts = json.loads((folder / "user_model.json").read_text())["training"]
    assert (facts["raters"], facts["labels"], facts["ratings"]) == (60, 720, 240)
    assert not list(folder.rglob("checkpoint*"))
    line = _lines(folder)[-1]
    assert line["phase"] == "single-turn"
    assert sum(line["prior"]) == pytest.approx(1, abs=1e-4)
    assert {"loss", "prior_entropy", "types_alive", "samples_per_second", "seconds_left"} <= line.keys()


def test_a_finished_training_is_not_begun_again(whole: tuple[Path, UserModel]) -> None:
    again = train(whole[0], STEPS, ONE_DEVICE)
    assert again is not None
    assert _same(again, whole[1])


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    steps = iter(range(1000))
    train(tmp_path, STEPS, ONE_DEVICE, stop=lambda: next(steps) >= 3)
    file = tmp_path / "single-turn" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(PastaError, match="damaged"):
        train(tmp_path, STEPS, ONE_DEVICE)


def test_other_data_is_refused(tmp_path: Path) -> None:
    steps = iter(range(1000))
    train(tmp_path, STEPS, ONE_DEVICE, stop=lambda: next(steps) >= 1)
    (tmp_path / "single-turn" / "data.sha256").write_text("0" * 64)
    with pytest.raises(InvalidInput, match="not what"):
        train(tmp_path, STEPS, ONE_DEVICE)


def test_a_folder_goes_on_only_with_what_it_was_begun_with(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "out")
    plan = {"types": 8, "seed": 0, "finetune": None}
    with pytest.raises(InvalidInput, match="no training"):
        folder.check(plan, resume=True)
    folder.check(plan, resume=False)
    folder.begin(plan)
    with pytest.raises(InvalidInput, match="holds a training already"):
        folder.check(plan, resume=False)
    folder.check(plan, resume=True)
    folder.check(plan | {"finetune": ["sessions:x"]}, resume=True)
    with pytest.raises(InvalidInput, match="another types"):
        folder.check(plan | {"types": 4}, resume=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("")
    with pytest.raises(InvalidInput, match="not an empty folder"):
        TrainingFolder(other).check(plan, resume=False)


def test_metrics_after_a_checkpoint_are_written_again(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.forget_after("one", 0)
    for phase, step in (("one", 5), ("one", 10), ("two", 5)):
        metrics.append({"phase": phase, "step": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "two", "st')
    metrics.forget_after("one", 7)
    assert [(line["phase"], line["step"]) for line in _lines(tmp_path)] == [("one", 5), ("two", 5)]


@pytest.mark.parametrize(
    ("phase", "changes"),
    [
        *(
            (phase, changes)
            for phase in ("single_turn", "sequential")
            for changes in (
                {"weight_decay": -1.0},
                {"clip_norm": float("nan")},
                {"held_out": 1.0},
                {"held_out_most": 0},
            )
        ),
        ("single_turn", {"kappa_1": -1.0}),
        ("single_turn", {"most_labels": 0}),
        ("single_turn", {"noise": -0.1}),
        ("single_turn", {"target_average": 1.0}),
        ("sequential", {"kappa_2": -1.0}),
        ("sequential", {"kappa_3": float("inf")}),
        ("sequential", {"clip_rate": -1.0}),
        ("sequential", {"users_rate": -1.0}),
    ],
)
def test_a_setting_that_nothing_can_be_learnt_with_is_refused(phase: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"^{next(iter(changes))} is "):
        replace(getattr(PRESETS["micro"], phase), **changes)


def test_the_paper_preset_is_tables_1_and_2() -> None:
    first, second = PRESETS["paper"].single_turn, PRESETS["paper"].sequential
    assert (first.steps, first.batch, first.peak_rate, first.restart_every) == (50_000, 2048, 3e-4, 10_000)
    assert (first.target_every, first.weight_decay, first.kappa_1, first.alpha_prior) == (256, 1e-4, 1, 0.999)
    assert (second.steps, second.batch, second.peak_rate, second.clip_norm) == (50_000, 8, 3e-7, 0.5)
    assert (second.kappa_2, second.kappa_3, second.clip_rate, second.target_every) == (0.01, 1, 1, 256)
    with pytest.raises(InvalidInput, match="no preset"):
        preset_named("papers")
