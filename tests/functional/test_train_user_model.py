"""`pasta train-user-model` as a person runs it: from a data set to a model, stopped and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pasta_core.errors import InvalidInput
from pasta_tui.cli._train_user_model import Request, run_training
from tests.support.commands import PASTA, complaint, pasta
from tests.support.warm_raters import write_pickapic, write_sessions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pickapic(folder / "pairs", raters=20, labels=8)
    write_sessions(folder / "sessions.parquet", sessions=12)
    return folder


def _command(data: Path, out: Path, *more: str) -> list[str]:
    named = ["--data", f"pickapic:{data / 'pairs'}", "--types", "2", "--steps", "200", "--out", str(out)]
    return ["train-user-model", *named, "--store", str(data / "store"), "--json", *more]


def test_a_training_is_interrupted_goes_on_and_is_fine_tuned(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    process = subprocess.Popen(
        [*PASTA, *_command(data, out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["phase"], first["step"]) == ("single-turn", 20)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "--resume" in said.splitlines()[-1]
    assert not (out / "user_model.json").exists()
    assert "holds a training already" in complaint(pasta(*_command(data, out)), 2)
    sessions = f"trajectories:{data / 'sessions.parquet'}"
    more = ("--resume", "--finetune", sessions, "--finetune-steps", "2")
    rest = pasta(*_command(data, out, *more))
    assert rest.returncode == 0, rest.stderr
    facts = json.loads((out / "user_model.json").read_text())["training"]
    assert facts["phase"] == "sequential"
    assert (out / "clip" / "open_clip_model.safetensors").is_file()
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["step"]) for line in lines] == [
        *(("single-turn", step) for step in range(20, 201, 20)),
        ("sequential", 2),
    ]
    assert not list(out.rglob(".*.tmp"))


def _request(out: Path, **changes: Any) -> Request:
    empty: dict[str, Any] = dict.fromkeys(("steps", "finetune_steps", "profile", "store", "device"))
    usual = {"data": (), "finetune": (), "types": 2, "preset": "micro", "seed": 0, "resume": False}
    return Request(out=out, as_json=False, **(empty | usual | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "there is nothing to learn from"),
        ({"data": ("trajectories:DATA/sessions.parquet",)}, "holds sessions"),
        ({"data": ("pickapic:DATA/pairs",), "finetune": ("pickapic:DATA/pairs",)}, "holds no sessions"),
        ({"data": ("pickapic:DATA/nothing",)}, "there is no"),
        ({"data": ("pickapic:DATA/pairs",), "preset": "papers"}, "no preset"),
        ({"data": ("pickapic:DATA/pairs",), "seed": -1}, "the seed is -1"),
        ({"data": ("pickapic:DATA/pairs",), "resume": True}, "there is no training"),
        ({"data": ("pickapic:DATA/pairs",), "device": "tpu"}, "no device 'tpu'"),
        ({"data": ("pickapic:DATA/pairs",), "profile": "macro"}, "no profile"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    data: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    named = {
        key: tuple(one.replace("DATA", str(data)) for one in value) if isinstance(value, tuple) else value
        for key, value in changes.items()
    }
    with pytest.raises(InvalidInput, match=said):
        run_training(_request(tmp_path / "out", **named))
    assert not (tmp_path / "out").exists()
