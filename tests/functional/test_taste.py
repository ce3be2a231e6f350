"""Taste with the shipped models: a person's session is learned from, and a rater's is not kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.sessions.taste import clip_of
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_shelf import TasteShelf
from pasta_core.users.taste_space_files import SPACE_FILE, load_space
from tests.support.commands import PASTA, complaint, pasta
from tests.support.tastes import World
from tests.support.terminal import TerminalSession

SHORT = ("--turns", "2", "--images", "1", "--selector", "taste")


def test_a_person_s_picks_are_learned_and_those_of_raters_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("PASTA_DATA_DIR", str(data))
    rated = pasta("session", "a red train", "--rater", "planted:0", "--json", "--seed", "3", *SHORT)
    assert rated.returncode == 0, rated.stderr
    first, second, final = map(json.loads, rated.stdout.splitlines())
    for turn in (first, second):
        assert len(turn["values"]) == 4 and all(map(math.isfinite, turn["values"]))
    assert final["selector"] == "taste:0.25"
    assert not TasteShelf(data).folder.exists()

    with TerminalSession([*PASTA, "session", "a red train", "--plain", *SHORT, "--seed", "3"]) as terminal:
        terminal.wait_for("Which column?", times=1)
        terminal.type("3\r")
        terminal.wait_for("Which column?", times=2)
        terminal.type("b\r")
        terminal.wait_for("turn 1: column 3; foreseen with")
        terminal.type("w\r")
        terminal.wait_for("taste:0.25 showed 4 of 25 prompts, after 1 pick")
        terminal.wait_for("Which column?", times=4)
        assert terminal.text.count("to please") + terminal.text.count("to learn") == 4
        terminal.type("1\r")
        assert terminal.wait() == 0, terminal.text
    record = TasteShelf(data).read("default")
    assert [(pick.turn, pick.chosen) for pick in record.picks] == [(1, (2,)), (2, (0,))]
    assert record.clip == clip_of(load_profile("micro", locate({})))
    assert record.picks[0].dimension == 96
    shown = json.loads(pasta("taste", "show", "--json").stdout)
    assert shown["picks"] == 2 and not shown["enough"]
    assert len(shown["types"]) == 8 and sum(shown["types"]) == pytest.approx(1)
    assert Path(shown["best"][0]["image"]).is_file()

    session = record.sessions[0]
    again = complaint(pasta("session", "--resume", session, "--no-taste"), 2)
    assert "begun with the taste default" in again
    foreign = json.loads(pasta("taste", "new", "other", "--json").stdout)
    assert foreign["picks"] == 0
    assert json.loads(pasta("taste", "forget", "--session", session, "--json").stdout)["forgotten"] == 2


def test_the_shipped_space_is_of_the_shipped_clip() -> None:
    profile = load_profile("micro", locate({}))
    space = load_space(profile.clip.model / SPACE_FILE, clip_of(profile))
    assert space.types == 8 and space.pairs > 5000


def test_a_session_is_not_begun_by_the_taste_of_another_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("PASTA_DATA_DIR", str(data))
    shelf = TasteShelf(data)
    shelf.create("default", TasteRecord((World.drawn(0).pick("a red train", 1),), "another"))
    before = shelf.path("default").read_bytes()
    with TerminalSession([*PASTA, "session", "a red train", "--plain", *SHORT]) as terminal:
        assert terminal.wait() == 2, terminal.text
        assert "another CLIP" in terminal.text
    assert shelf.path("default").read_bytes() == before
    assert pasta("sessions", "list").stdout == "", "it was refused before it began"
