"""`pasta train-value-model` as a person runs it: from trajectories to a model, stopped and gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pasta_core.agent.requests import ShownTurn, ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.trajectories import ImageRecord, TurnRecord, write_trajectories
from pasta_core.errors import InvalidInput
from pasta_core.paths import locate
from pasta_core.users.model_files import save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_tui.cli._train_value_model import Request, run_training
from tests.support.commands import PASTA, complaint, pasta
from tests.support.paid_trajectories import TINY, trajectories, write_base, write_paid

OVERESTIMATION = ("best slate over shown", "rare words: excess", "rare words in best slates")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_paid(folder / "paid.parquet", 60)
    write_base(folder / "base")
    write_base(folder / "short", replace(TINY, context=16))
    bare = (
        replace(one, turns=tuple(replace(turn, utilities=None) for turn in one.turns))
        for one in trajectories(4, seed=1)
    )
    write_trajectories(folder / "bare.parquet", bare)
    return folder


def _command(data: Path, out: Path, *more: str) -> list[str]:
    named = ["--data", f"trajectories:{data / 'paid.parquet'}", "--base", str(data / "base")]
    short = ["--set", "batch=12", "--set", "report_every=4", "--set", "tokens=2000", "--steps", "12"]
    return ["train-value-model", *named, *short, "--reward", "sparse", "--out", str(out), "--json", *more]


def test_a_stopped_training_ends_at_the_same_bytes(data: Path, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    done = pasta(*_command(data, whole))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert len(lines[0]["q_by_turn"]) == len(lines[0]["v_by_turn"]) == 3
    for key in ("td_error", "positive_advantage", "held_out_error", "best_slate_gain", "rare_in_best"):
        assert np.isfinite(lines[-1][key]), key

    process = subprocess.Popen(
        [*PASTA, *_command(data, stopped)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["step"] == 4
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode in (130, 0), said
    if process.returncode == 130:
        assert "--resume" in said.splitlines()[-1]
        assert not (stopped / "value_model.json").exists()
        assert "holds a training already" in complaint(pasta(*_command(data, stopped)), 2)
        rest = pasta(*_command(data, stopped, "--resume"))
        assert rest.returncode == 0, rest.stderr
    for name in ("model.safetensors", "value_model.json", "best/model.safetensors", "calibration.json"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes(), name
    told = [json.loads(line)["step"] for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    assert told == [4, 8, 12]
    assert not list(stopped.rglob("checkpoint*"))
    figure = (stopped / "training.svg").read_text()
    for title in ("TD error", "q by turn", "v by turn", "realised return", *OVERESTIMATION):
        assert title in figure, title
    kept = {"last": whole, "best": whole / "best"}
    for name, place in kept.items():
        measured = json.loads((place / "value_model.json").read_text())["training"]["measured"]
        said = next(line for line in done.stderr.splitlines() if line.startswith(f"{name}: step "))
        assert said.startswith(f"{name}: step {measured['step']} ")
        assert f"correlation {measured['held_out_correlation']:.3f}" in said


def _request(out: Path, **changes: Any) -> Request:
    usual: dict[str, Any] = {
        "data": (),
        "reward": "sparse",
        "base": None,
        "users": None,
        "preset": "micro",
        "objective": "iql",
        "seed": 0,
        "changes": (),
        "lora": False,
        "profile": None,
        "resume": False,
        "device": "cpu",
    }
    return Request(out=out, as_json=False, **(usual | changes))


@pytest.mark.parametrize("objective", ["iql", "bellman", "regression", "columns"])
@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_every_objective_and_reward_learns_something_else(
    data: Path, tmp_path: Path, objective: str, reward: str
) -> None:
    out = tmp_path / "out"
    run_training(
        _request(
            out,
            data=(f"trajectories:{data / 'paid.parquet'}@2",),
            base=data / "base",
            objective=objective,
            reward=reward,
            changes=("steps=3", "batch=9", "report_every=3", "held_out_most=4"),
        )
    )
    facts = json.loads((out / "value_model.json").read_text())["training"]
    assert (facts["objective"], facts["reward"], facts["trajectories"]) == (objective, reward, 60)
    assert (out / "best" / "value_model.json").is_file()
    model = load_value_model(out)
    history = (ShownTurn(("a train at night", "a train in snow"), 0),)
    values = score(model, ValueRequest("a train", history, ("a red train", "a boat")))
    # an untrained model begins at the mean return: of three turns when every turn pays
    low, high = (2, 8) if reward == "sparse" else (4, 24)
    assert all(low < value < high for value in values)


def test_an_adapter_is_trained_beside_its_base(data: Path, tmp_path: Path) -> None:
    changes = (
        "steps=2",
        "batch=9",
        "report_every=2",
        "held_out_most=2",
        "lora_rank=2",
        "lora_targets=q_proj",
    )
    source = (f"trajectories:{data / 'paid.parquet'}",)
    run_training(_request(tmp_path / "out", data=source, base=data / "base", lora=True, changes=changes))
    assert json.loads((tmp_path / "out" / "training.json").read_text())["lora"] == {
        "rank": 2,
        "alpha": 32.0,
        "targets": "q_proj",
    }
    small = (tmp_path / "out" / "adapter_model.safetensors").stat().st_size
    assert small < (data / "base" / "model.safetensors").stat().st_size / 10
    assert score(load_value_model(tmp_path / "out"), ValueRequest("a train", (), ("a red train", "a boat")))


@pytest.fixture
def people(tmp_path: Path, own_directories: Path) -> dict[str, Any]:
    """Sessions that nobody has paid, and the user model that pays them, of the CLIP of a profile `own`."""
    shipped = locate({}).assets / "micro" / "clip"
    profiles = own_directories / "config" / "pasta" / "profiles"
    clip = profiles / "clip"
    shutil.copytree(shipped, clip)
    (clip / "tokenizer_config.json").write_text((clip / "tokenizer_config.json").read_text() + "\n")
    (profiles / "own.toml").write_text('extends = "micro"\n[clip]\nmodel = "clip"\n')
    dimension = json.loads((clip / "open_clip_config.json").read_text())["model_cfg"]["embed_dim"]
    rng = np.random.default_rng(0)

    def unpaid(turn: TurnRecord) -> TurnRecord:
        columns = tuple(
            (ImageRecord(0, "", rng.normal(size=dimension).astype(np.float32)),) for _ in turn.slate.indices
        )
        return replace(turn, columns=columns, utilities=None, reward=None)

    sessions = (
        replace(one, user="person", turns=tuple(map(unpaid, one.turns))) for one in trajectories(4, 2)
    )
    write_trajectories(tmp_path / "people.parquet", sessions)
    shape = UserModelConfig(dimension, types=2, clip=encoder_fingerprint(clip))
    save_user_model(UserModel(shape), tmp_path / "users")
    return {
        "data": (f"sessions:{tmp_path / 'people.parquet'}",),
        "users": f"model:{tmp_path / 'users'}",
        "changes": ("steps=1", "batch=3", "report_every=1", "held_out_most=1"),
    }


def test_sessions_are_paid_under_the_profile_of_the_user_model(
    data: Path, people: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match="another encoder") as refused:
        run_training(_request(out, base=data / "base", **people))
    assert "--profile" in refused.value.hint
    with pytest.raises(InvalidInput, match='no profile "owm"'):
        run_training(_request(out, base=data / "base", profile="owm", **people))
    assert not out.exists()
    run_training(_request(out, base=data / "base", profile="own", **people))
    assert json.loads((out / "training.json").read_text())["profile"] == "own"
    assert json.loads((out / "value_model.json").read_text())["training"]["trajectories"] == 4
    monkeypatch.setenv("PASTA_PROFILE", "own")
    run_training(_request(out, base=data / "base", resume=True, **people))


def test_a_plan_names_no_profile_where_it_is_the_usual_one(
    data: Path, people: dict[str, Any], tmp_path: Path
) -> None:
    users = tmp_path / "users" / "user_model.json"
    document = json.loads(users.read_text())
    document["config"]["clip"] = ""
    users.write_text(json.dumps(document))
    out = tmp_path / "out"
    run_training(_request(out, base=data / "base", **people))
    assert "profile" not in json.loads((out / "training.json").read_text())
    for more in ({"profile": "own"}, {"lora": True}):
        with pytest.raises(InvalidInput, match=f"begun with another {next(iter(more))}"):
            run_training(_request(out, base=data / "base", resume=True, **people, **more))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "there is nothing to learn from"),
        ({"data": ("pickapic:DATA",)}, "does not say which prompts were shown"),
        ({"data": ("trajectories:DATA/nothing",)}, "there is no"),
        ({"data": ("trajectories:DATA/empty",)}, "holds no trajectories"),
        ({"data": ("trajectories:DATA/base/config.json",)}, "no Parquet file"),
        ({"data": ("trajectories:DATA/paid.parquet",), "reward": "lavish"}, "no reward 'lavish'"),
        ({"data": ("trajectories:DATA/paid.parquet",), "objective": "sarsa"}, "no objective 'sarsa'"),
        ({"data": ("trajectories:DATA/paid.parquet",), "preset": "papers"}, "no preset"),
        ({"data": ("trajectories:DATA/paid.parquet",), "preset": "paper", "base": None}, "to start from"),
        ({"data": ("trajectories:DATA/paid.parquet",), "changes": ("alpha=2",)}, "alpha is 2.0"),
        ({"data": ("trajectories:DATA/paid.parquet",), "changes": ("alpha=x",)}, "alpha cannot be 'x'"),
        ({"data": ("trajectories:DATA/paid.parquet",), "changes": ("beta=2",)}, "is no setting"),
        ({"data": ("trajectories:DATA/paid.parquet",), "changes": ("optimizer=sgd",)}, "optimizer is sgd"),
        (
            {"data": ("trajectories:DATA/bare.parquet",), "objective": "columns"},
            "does not say what each column was worth",
        ),
        ({"data": ("trajectories:DATA/paid.parquet",), "base": "short"}, "fits the model's context"),
        (
            {"data": ("trajectories:DATA/paid.parquet",), "changes": ("lora_rank=2",)},
            "lora_rank is the setting of",
        ),
        (
            {"data": ("trajectories:DATA/paid.parquet",), "lora": True, "changes": ("lora_rank=0",)},
            "lora_rank is 0",
        ),
        ({"data": ("trajectories:DATA/paid.parquet",), "users": "planted"}, "names no user model"),
        ({"data": ("trajectories:DATA/paid.parquet",), "resume": True}, "there is no training"),
        ({"data": ("trajectories:DATA/paid.parquet",), "profile": "micro"}, "no user model to read"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    data: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    (data / "empty").mkdir(exist_ok=True)
    named = {
        key: tuple(one.replace("DATA", str(data)) for one in value) if key == "data" else value
        for key, value in changes.items()
    }
    if named.get("base") == "short":
        named["base"] = data / "short"
    with pytest.raises(InvalidInput, match=said):
        run_training(_request(tmp_path / "out", **({"base": data / "base"} | named)))
    assert not (tmp_path / "out").exists()
