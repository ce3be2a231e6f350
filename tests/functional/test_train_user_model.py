"""`pasta train-user-model` as a person runs it: from a data set to a model, stopped and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PASTA, complaint, pasta
from tests.support.warm_raters import write_pickapic, write_sessions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pickapic(folder / "pairs", raters=20, labels=8)
    write_sessions(folder / "sessions.parquet", sessions=12)
    return folder


def _command(data: Path, out: Path, *more: str) -> list[str]:
    named = ["--data", f"pickapic:{data / 'pairs'}", "--types", "2", "--steps", "60", "--out", str(out)]
    return ["train-user-model", *named, "--store", str(data / "store"), "--json", *more]


def test_a_training_is_interrupted_goes_on_and_is_fine_tuned(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    process = subprocess.Popen(
        [*PASTA, *_command(data, out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["phase"], first["step"]) == ("single-turn", 50)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode in (130, 0), said
    if process.returncode == 130:
        assert "--resume" in said.splitlines()[-1]
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
        ("single-turn", 50),
        ("single-turn", 60),
        ("sequential", 2),
    ]
    assert not list(out.rglob(".*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is nothing to learn from"),
        (("--data", "trajectories:DATA/sessions.parquet"), "give it as --finetune"),
        (("--data", "pickapic:DATA/pairs", "--finetune", "pickapic:DATA/pairs"), "give it as --data"),
        (("--data", "pickapic:DATA/nothing"), "there is no"),
        (("--data", "pickapic:DATA/pairs", "--preset", "papers"), "no preset"),
        (("--data", "pickapic:DATA/pairs", "--resume"), "there is no training"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    named = [argument.replace("DATA", str(data)) for argument in arguments]
    out = tmp_path / "out"
    assert said in complaint(pasta("train-user-model", "--out", str(out), *named), 2)
    assert not out.exists()
