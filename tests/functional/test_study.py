"""Whole rater studies: played by planted raters and in a terminal, killed, exported and learnt from."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from pasta_core.data.records import Kind, SessionRecord
from pasta_core.data.sources import SourceSpec, open_source
from pasta_core.data.trajectories import read_trajectories
from pasta_core.domain import Comparison, TurnRating
from pasta_core.paths import locate
from pasta_core.sessions.store import Store
from pasta_core.training.value_rewards import rewards_by
from pasta_core.users.model_files import save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.commands import PASTA, complaint, pasta
from tests.support.killing import await_deaths, descendants
from tests.support.terminal import TerminalSession
from tests.support.warm_raters import write_pickapic

RATERS = {"planted:0:1": 0, "planted:3:2": 56, "planted:5": 2}
"""Who rates, and the seed of the study; that of the second one is a critic's, in turn 1."""
QUICK = f"{sys.executable} -m tests.support.quick_worker 0 0"
GO_ON = re.compile(r"go on with: pasta session --resume (\S+)")


def study(rater: str, seed: int) -> list[str]:
    options = ["--study", "--rater", rater, "--turns", "2", "--images", "2", "--seed", str(seed), "--json"]
    return ["session", "a red train in the snow", *options]


def lines_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[dict[str, Any]]]]:
    """A data directory with a study of each rater, and what they printed."""
    data = tmp_path_factory.mktemp("someone") / "data"
    env = {"PASTA_DATA_DIR": str(data)}
    runs = [pasta(*study(rater, seed), env=env) for rater, seed in RATERS.items()]
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]
    return data, [lines_of(run.stdout) for run in runs]


@pytest.fixture
def exported(
    studies: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[bool, Path]:
    """The data set without and with images."""
    monkeypatch.setenv("PASTA_DATA_DIR", str(studies[0]))
    files = {images: tmp_path / f"study-{images}.parquet" for images in (False, True)}
    for images, path in files.items():
        run = pasta(
            "sessions", "export", "--study", "--out", str(path), *(["--with-images"] if images else [])
        )
        assert run.stdout == f"{path}\n", run.stderr
    return files


def test_a_planted_rater_answers_everything_in_json_lines(studies: tuple[Path, Any]) -> None:
    for lines in studies[1]:
        assert [line["event"] for line in lines] == ["turn", "turn", "rating", "rating", "final"]
        for turn, rating in zip(lines[:2], lines[2:4], strict=True):
            assert rating["turn"] == turn["turn"]
            assert rating["preferred"] in range(4)
            assert len(rating["column_scores"]) == 4
            assert {*rating["column_scores"], rating["score"]} <= set(range(1, 6))
            assert rating["rationale"]
            assert rating["replayed"] is False
        assert lines[2]["comparison"] is None
        assert lines[3]["comparison"] in ("better", "same", "worse")
    critiques = [[turn["critique"] for turn in lines[:2]] for lines in studies[1]]
    assert [[bool(said) for said in of_one] for of_one in critiques] == [
        [False] * 2,
        [True, False],
        [False] * 2,
    ]
    again = pasta("session", "--resume", "last", "--json", env={"PASTA_DATA_DIR": str(studies[0])})
    assert [{**line, "replayed": False} for line in lines_of(again.stdout)[:-1]] == studies[1][-1][:-1]


def test_a_study_killed_while_it_is_rated_ends_alike(studies: tuple[Path, Any], tmp_path: Path) -> None:
    env = {**os.environ, "PASTA_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [*PASTA, *study("planted:0:1", 0)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    turns = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [line["turn"] for line in turns] == [1, 2]
    time.sleep(random.Random(4).random() * 0.1)
    family = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    await_deaths(family)
    rest = pasta("session", "--resume", "last", "--json", env=env)
    assert rest.returncode == 0, rest.stderr
    kept = (
        "event",
        "turn",
        "choice",
        "critique",
        "sha256",
        "preferred",
        "column_scores",
        "comparison",
        "score",
    )

    def comparable(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{key: line[key] for key in kept if key in line} for line in lines]

    assert comparable(lines_of(rest.stdout)) == comparable(studies[1][0])


def test_the_data_set_says_all_of_the_study_and_nothing_of_the_machine(
    studies: tuple[Path, Any], exported: Mapping[bool, Path]
) -> None:
    data, printed = studies
    for images, path in exported.items():
        records = list(read_trajectories(path))
        assert [(record.user, record.source, record.complete) for record in records] == [
            (rater, "study", True) for rater in RATERS
        ]
        for record, lines in zip(records, printed, strict=True):
            assert record.initial_prompt == "a red train in the snow"
            for turn, shown, rated in zip(record.turns, lines[:2], lines[2:4], strict=True):
                assert [candidate.prompt for candidate in turn.candidates] == [
                    candidate["prompt"] for candidate in shown["candidates"]
                ]
                assert list(turn.slate.indices) == shown["slate"]
                assert (turn.choice.column, turn.choice.critique) == (shown["choice"], shown["critique"])
                assert turn.rating is not None
                assert list(turn.rating.column_scores) == rated["column_scores"]
                assert (turn.rating.preferred, turn.rating.score, turn.rating.rationale) == (
                    rated["preferred"],
                    rated["score"],
                    rated["rationale"],
                )
                assert turn.rating.comparison == rated["comparison"]
                assert all((image.png is not None) == images for column in turn.columns for image in column)
                assert all(image.embedding is not None for column in turn.columns for image in column)
    said = json.dumps(pq.read_table(exported[False]).to_pylist(), default=lambda value: "")
    home, parent = str(Path.home()), str(data.parent)
    assert not [
        word for word in (home, parent, "someone", os.uname().nodename, "column-1-image") if word in said
    ]


def test_the_data_set_is_checked_and_read_as_sessions(exported: Mapping[bool, Path]) -> None:
    for images, path in exported.items():
        checked = json.loads(pasta("data", "check", f"sessions:{path}", "--json").stdout)
        assert checked["labels"] == checked["labels"] | {
            "sessions": 3,
            "complete sessions": 3,
            "turns": 6,
            "rated turns": 6,
            "comparisons of turns": 3,
        }
        assert (checked["raters"], checked["unreadable"], checked["skipped"]) == (3, 0, {})
        assert checked["opened"] == (checked["images"] if images else 0)
        records = list(open_source(SourceSpec(Kind.SESSIONS, path)).records())
        ratings = [turn.rating for record in read_trajectories(path) for turn in record.turns]
        assert [
            turn.rating for record in records if isinstance(record, SessionRecord) for turn in record.turns
        ] == ratings


def test_a_user_model_is_fine_tuned_on_it_and_gives_it_rewards(
    exported: Mapping[bool, Path], tmp_path: Path
) -> None:
    pairs, out = tmp_path / "pairs", tmp_path / "model"
    write_pickapic(pairs, raters=8, labels=4)
    command = ["train-user-model", "--data", f"pickapic:{pairs}", "--types", "2", "--steps", "4"]
    more = ["--finetune", f"sessions:{exported[True]}", "--finetune-steps", "2", "--out", str(out)]
    run = pasta(*command, *more, "--store", str(tmp_path / "store"), "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads((out / "user_model.json").read_text())["training"]["phase"] == "sequential"
    # its encoder was fine-tuned, so it reads the images; one with the profile's encoder reads embeddings
    torch.manual_seed(0)
    plain = tmp_path / "plain"
    save_user_model(UserModel(UserModelConfig(96, 2)), plain)
    for model, path in ((out, exported[True]), (plain, exported[False])):
        label = rewards_by(model, locate(os.environ))
        for record in map(label, read_trajectories(path)):
            rewards = [turn.reward for turn in record.turns]
            assert all(reward is not None and 0 <= reward <= 10 for reward in rewards)
            assert all(turn.posterior is not None and len(turn.posterior) == 2 for turn in record.turns)


def test_what_is_no_rated_study_is_not_published(tmp_path: Path) -> None:
    assert "no rated study" in complaint(pasta("sessions", "export", "--study", cwd=tmp_path), 2)
    assert "no rated study" in complaint(pasta("sessions", "export", "--study", "--json", cwd=tmp_path), 2)
    thirteen = " ".join(["word"] * 13)
    assert "at most 12" in complaint(pasta("session", thirteen, "--study", "--rater", "planted:0"), 2)
    assert "terminal" in complaint(pasta("session", "a cat", "--study"), 2)


def test_a_person_answers_in_plain_lines_leaves_and_goes_on(tmp_path: Path) -> None:
    env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PASTA_DATA_DIR": str(tmp_path / "data")}
    options = ["--plain", "--study", "--turns", "2", "--columns", "2", "--images", "1", "--worker", QUICK]
    with TerminalSession([*PASTA, "session", *options], env) as terminal:
        terminal.wait_for("What do you want to see?")
        assert "[*****]" in terminal.text, "the illustration of Fig. 8"
        terminal.type(" ".join(["word"] * 13))
        terminal.wait_for("at most 12 are allowed")
        terminal.type("a cat")
        terminal.wait_for("Which column? 1-2")
        terminal.type("2 darker")
        terminal.wait_for("Turn 2 of 2")
        terminal.wait_for("Which column? 1-2", times=2)
        terminal.type("1")
        terminal.wait_for("You took column 2")
        assert "a cat " not in terminal.text.partition("Turn 1 of 2")[2], "expansions are hidden"
        say(terminal, "", "Column 1: how")
        say(terminal, "7", "type a number from 1 to 5")
        say(terminal, "2", "Column 2: how")
        say(terminal, "b", "Enter keeps '2'")
        say(terminal, "n", "Column 2: how")
        say(terminal, "5", "Why column 2")
        say(terminal, "q", "you left the questions")
        assert terminal.wait() == 0
        found = GO_ON.search(terminal.text)
        assert found is not None
    resume = [*PASTA, "session", "--plain", "--resume", found[1], "--worker", QUICK]
    with TerminalSession(resume, env) as terminal:
        terminal.wait_for("Why column 2")
        say(terminal, "it is dark", "of this turn")
        say(terminal, "n", "You took column 1")
        say(terminal, "1", "Column 1: how")
        say(terminal, "4", "Column 2: how")
        say(terminal, "1", "Why column 1")
        say(terminal, "", "Is turn 2 better than turn 1")
        say(terminal, "worse", "of this turn")
        say(terminal, "3", "1 question is not answered yet")
        say(terminal, "", "of this turn")
        say(terminal, "4", "Enter ends the task")
        terminal.type("")
        assert terminal.wait() == 0
    with Store(tmp_path / "data") as store:
        info = store.find("last")
        ratings = [turn.rating for turn in store.turns(info.id)]
    assert ratings[1:] == [
        TurnRating(1, (2, 5), 4, None, "it is dark"),
        TurnRating(0, (4, 1), 3, Comparison.WORSE, ""),
    ]
    assert info.rater is not None
    assert info.rater.startswith("rater-")


def say(terminal: TerminalSession, line: str, then: str) -> None:
    """Type a line, and wait until something is said once more."""
    before = terminal.text.count(then)
    terminal.type(line)
    terminal.wait_for(then, times=before + 1)
