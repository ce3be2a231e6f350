"""Sessions on the command line with the shipped models: JSON lines, plain lines, stops and resumes."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pasta_core.data.trajectories import read_trajectories
from pasta_tui.terminal.text import cell_width
from tests.support.commands import PASTA, complaint, pasta
from tests.support.terminal import TerminalSession

PROMPT = "a red train in the snow"
QUESTION = "Which column? 1-4, 0 none (a others, c critique, s save, w why, b belief, q): "
BLIND_QUESTION = QUESTION.replace("a others, ", "")
NARROW_BLIND_QUESTION = "Which column? 1-4, 0 none (c, s, w, b, q): "
GO_ON = re.compile(r"go on with: pasta session --resume (\S+)")


def lines_of(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def pixels_hash(path: str) -> str:
    return hashlib.sha256(np.asarray(Image.open(path)).tobytes()).hexdigest()


def test_a_planted_rater_plays_a_session_into_json_lines(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    arguments = ("session", PROMPT, "--rater", "planted:0:1", "--turns", "2", "--seed", "11", "--json")
    *turns, final = lines_of(pasta(*arguments, "--out", str(pictures)))

    assert [line["turn"] for line in turns] == [1, 2]
    for line in turns:
        assert line["event"] == "turn"
        assert len(line["candidates"]) == 25
        assert len({candidate["category"] for candidate in line["candidates"]}) == 5
        assert all(candidate["prompt"] for candidate in line["candidates"])
        shown = [line["candidates"][index] for index in line["slate"]]
        assert len({candidate["category"] for candidate in shown}) == 4
        assert [len(column) for column in line["images"]] == [4, 4, 4, 4]
        for column, hashes in zip(line["images"], line["sha256"], strict=True):
            assert all(Path(path).is_absolute() for path in column)
            assert [pixels_hash(path) for path in column] == hashes
        assert 0 <= line["choice"] < 4

    last = turns[-1]
    assert final["event"] == "final"
    assert final["prompt"] == last["candidates"][last["slate"][last["choice"]]]["prompt"]
    assert final["images"] == last["images"][last["choice"]]
    assert [pixels_hash(path) for path in final["copies"]] == final["sha256"]
    assert {Path(path).parent for path in final["copies"]} == {pictures}

    again = lines_of(pasta("session", "--resume", final["session"], "--json"))
    assert [line["replayed"] for line in again[:-1]] == [True, True]
    assert [line["sha256"] for line in again] == [line["sha256"] for line in (*turns, final)]

    for extra in (("--turns", "3"), ("--seed", "1"), ("--rater", "planted:4"), ("a green cat",)):
        complaint(pasta("session", "--resume", "last", *extra), 2)

    listed = json.loads(pasta("sessions", "list", "--json").stdout)["sessions"]
    assert [(it["session"], it["status"], it["turns_chosen"]) for it in listed] == [
        (final["session"], "finished", 2)
    ]
    shown = json.loads(pasta("sessions", "show", "last", "--json").stdout)
    assert [turn["choice"] for turn in shown["turns"]] == [None, *(line["choice"] for line in turns)]
    exported = pasta("sessions", "export", "--out", "s.parquet", "--with-images", cwd=tmp_path)
    assert exported.stdout == f"{tmp_path / 's.parquet'}\n"
    (record,) = read_trajectories(tmp_path / "s.parquet")
    assert [turn.choice.column for turn in record.turns] == [line["choice"] for line in turns]

    *repeated, _ = lines_of(pasta(*arguments))
    assert [line["sha256"] for line in repeated] == [line["sha256"] for line in turns]


def test_without_json_stdout_holds_the_paths_and_stderr_the_rest(tmp_path: Path) -> None:
    prompt = "[bold]\x1b[31ma zorblax[/bold] cat"
    run = pasta("session", prompt, "--rater", "planted:1", "--turns", "1", "--images", "2")
    assert run.returncode == 0, run.stderr
    paths = run.stdout.splitlines()
    assert len(paths) == 2
    assert all(Path(path).is_file() for path in paths)
    assert run.stderr.count("control characters were removed") == 1
    (unknown,) = [line for line in run.stderr.splitlines() if "have never seen" in line]
    assert "zorblax" in unknown
    assert "\x1b" not in run.stderr
    (session,) = json.loads(pasta("sessions", "list", "--json").stdout)["sessions"]
    assert session["prompt"] == "[bold]a zorblax[/bold] cat"


def test_paint_makes_the_same_files_alone_and_in_a_batch(tmp_path: Path) -> None:
    alone = pasta("paint", "a blue boat", "--images", "2", "--seed", "5", "--out", str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    batch = pasta(
        "paint", "-", "--images", "2", "--seed", "5", "--json", stdin="a cat\n\na blue boat\n", cwd=tmp_path
    )
    painted = json.loads(batch.stdout)["prompts"]
    assert [it["prompt"] for it in painted] == ["a cat", "a blue boat"]
    assert [Path(path).name for path in alone.stdout.splitlines()] == [
        "a-blue-boat-5-1.png",
        "a-blue-boat-5-2.png",
    ]
    hashes = [image["sha256"] for image in painted[1]["images"]]
    assert [pixels_hash(path) for path in alone.stdout.splitlines()] == hashes
    assert [pixels_hash(image["path"]) for image in painted[1]["images"]] == hashes
    assert Path(painted[0]["images"][0]["path"]).parent == tmp_path


def test_a_person_plays_in_a_terminal_of_80_columns(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    command = [*PASTA, "session", PROMPT, "--plain", "--turns", "2", "--out", str(saved)]
    env = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with TerminalSession(command, env) as terminal:
        terminal.wait_for(QUESTION)
        assert "Turn 1 of 2" in terminal.text
        half_blocks = [row for row in terminal.screen.display if "▀" in row]
        assert len(half_blocks) >= 10
        terminal.type("7")
        terminal.wait_for("type a number from 1 to 4")
        terminal.type("c make it night")
        terminal.wait_for("It goes with your answer")
        terminal.type("s 2")
        terminal.wait_for(QUESTION, times=4)
        assert len(list(saved.glob("*-turn-1-column-2-image-*.png"))) == 4
        terminal.type("3")
        terminal.wait_for("Turn 2 of 2")
        terminal.wait_for(QUESTION, times=5)
        terminal.type("1")
        assert terminal.wait() == 0
        assert "Your picture: " in terminal.text
        assert "\x1b[38;2;" in terminal.raw
    finals = sorted(saved.glob("*-final-*.png"))
    assert len(finals) == 4
    for path in finals:
        assert path.name in terminal.text
    shown = json.loads(pasta("sessions", "show", "--json").stdout)
    assert [turn["choice"] for turn in shown["turns"]] == [None, 2, 0]
    assert [turn["critique"] for turn in shown["turns"]] == [None, "make it night", ""]


def test_no_colour_and_blind_and_leaving_and_resuming() -> None:
    command = [*PASTA, "session", PROMPT, "--plain", "--turns", "1", "--blind", "--images", "1"]
    with TerminalSession(command, {"TERM": "xterm-256color", "NO_COLOR": "1"}, columns=60) as terminal:
        terminal.wait_for(NARROW_BLIND_QUESTION)
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.raw)
        # the question itself may take a second line of so narrow a terminal
        turn = terminal.text.partition("Turn 1 of 1")[2].partition("Which column?")[0].replace("\r", "\n")
        assert "1" in turn
        assert all(cell_width(line) <= 60 for line in turn.splitlines())
        terminal.type("q")
        assert terminal.wait() == 0
        found = GO_ON.search(terminal.text)
        assert found is not None
    shown = json.loads(pasta("sessions", "show", "--json").stdout)
    assert shown["status"] == "active"
    assert shown["turns"][1]["candidates"][0]["prompt"] not in terminal.text
    with TerminalSession([*PASTA, "session", "--resume", "last"], {"TERM": "dumb"}) as terminal:
        terminal.wait_for(BLIND_QUESTION)
        assert "\x1b" not in terminal.raw
        terminal.type("2")
        assert terminal.wait() == 0
    shown = json.loads(pasta("sessions", "show", found.group(1), "--json").stdout)
    assert (shown["status"], shown["turns"][1]["choice"]) == ("finished", 1)


def test_ctrl_c_keeps_what_is_finished_and_ends_with_130() -> None:
    with TerminalSession([*PASTA, "session", PROMPT, "--plain"], {"TERM": "xterm-256color"}) as terminal:
        terminal.wait_for("turn 1 of 5: painting")
        terminal.press(b"\x03")
        assert terminal.wait() == 130
        assert GO_ON.search(terminal.text)
        assert "Traceback" not in terminal.text
    shown = json.loads(pasta("sessions", "show", "--json").stdout)
    assert len(shown["turns"][1]["candidates"]) == 25


def test_sigterm_ends_with_143() -> None:
    process = subprocess.Popen(
        [*PASTA, "session", PROMPT, "--rater", "planted:2", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert GO_ON.search(errors)
    assert "Traceback" not in errors
    shown = json.loads(pasta("sessions", "show", first["session"], "--json").stdout)
    assert shown["turns"][1]["choice"] == first["choice"]
