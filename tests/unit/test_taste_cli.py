"""`pasta taste`: every command, what it prints, and what it refuses in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pasta_core.users.taste_files import read_taste, taste_bytes, write_taste
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_shelf import TasteShelf
from pasta_tui.__main__ import main
from tests.support.tastes import World

WORLD = World.drawn(3)
NOW = datetime.now(UTC)


def lived(sessions: int, first: int = 0) -> tuple[Pick, ...]:
    """Picks of somebody who takes the column at night whenever there is one."""
    picks = []
    for number in range(first, first + sessions):
        for turn in range(1, 4):
            pick = WORLD.pick(f"session-{number}", turn, (turn % 4,))
            prompts = [*pick.prompts]
            prompts[1 + turn % 4] += ", at night"
            prompts[1 + (turn + 1) % 4] += " in the rain"
            when = NOW - timedelta(days=30 - number, minutes=-turn)
            picks.append(replace(pick, prompts=tuple(prompts), when=when))
    return tuple(picks)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TasteShelf:
    monkeypatch.setenv("PASTA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return TasteShelf(tmp_path / "data")


def ran(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run `pasta taste` in this process; returns what it printed on stdout, or on stderr if it failed."""
    assert main(["taste", *arguments]) == code
    printed = capsys.readouterr()
    if code:
        assert printed.out == "" and len(printed.err.splitlines()) == 1, printed.err
    return printed.err if code else printed.out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran(capsys, *arguments, "--json"))
    return found


def test_tastes_are_begun_listed_and_used(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "list") == "* default          it knows nothing yet\n"
    assert not shelf.folder.exists(), "looking makes nothing"
    ran(capsys, "new", "work", "--half-life", "30")
    ran(capsys, "use", "work")
    shelf.update("work", lambda record: record.with_session("session-0", lived(1), "clip-1"))
    listed = ran(capsys, "list").splitlines()
    assert listed[0].startswith("  default")
    assert listed[1] == "* work             3 picks in 1 session, a first impression: 10 picks make a taste"
    facts = {it["taste"]: it for it in document(capsys, "list")["tastes"]}
    assert facts["work"]["in_use"] and facts["work"]["half_life_days"] == 30
    assert facts["work"]["picks"] == 3 and facts["work"]["clip"] == "clip-1"


def test_a_taste_travels_and_is_merged(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shelf.create("mine", TasteRecord(lived(2), "clip-1", strength=0.5))
    printed = ran(capsys, "export", "mine")
    assert printed == f"{tmp_path / 'mine.taste.json'}\n"
    assert taste_bytes(read_taste(tmp_path / "mine.taste.json")) == taste_bytes(shelf.read("mine"))
    ran(capsys, "import", "mine.taste.json", "--name", "again")
    assert taste_bytes(shelf.read("again")) == taste_bytes(shelf.read("mine"))
    shelf.create("other", TasteRecord(lived(2, first=1), "clip-1"))
    merged = document(capsys, "merge", "other", "again", "--into", "mine")
    assert (merged["picks"], merged["sessions"], merged["strength"]) == (9, 3, 0.5)
    assert len(shelf.read("other").picks) == 6


def test_a_session_is_forgotten_and_a_taste_reset(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.create("mine", TasteRecord(lived(2), "clip-1"))
    ran(capsys, "use", "mine")
    gone = document(capsys, "forget", "--session", "session-1")
    assert (gone["forgotten"], gone["picks"], gone["session"]) == (3, 3, "session-1")
    assert taste_bytes(shelf.read("mine")) == taste_bytes(TasteRecord(lived(1), "clip-1").without("x"))
    assert "--yes" in ran(capsys, "reset", code=2)
    ran(capsys, "reset", "--yes")
    assert shelf.read("mine").picks == ()


def test_forgetting_nothing_in_particular_says_how_to_name_a_session_and_how_to_forget_all(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.create("mine", TasteRecord(lived(1), "clip-1"))
    before = shelf.path("mine").read_bytes()
    said = ran(capsys, "forget", code=2)
    assert "'--session last'" in said and "'pasta taste reset'" in said
    assert "'pasta taste reset mine'" in ran(capsys, "forget", "mine", code=2)
    assert shelf.path("mine").read_bytes() == before


def test_a_session_is_forgotten_by_every_taste_that_holds_it(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.create("work", TasteRecord(lived(2), "clip-1"))
    ran(capsys, "merge", "work", "--into", "default")
    shelf.create("copy", TasteRecord(lived(2), "clip-1"))
    shelf.create("other", TasteRecord(lived(1), "clip-1"))
    before = shelf.path("other").read_bytes()
    assert "there is no session" in ran(capsys, "forget", "other", "--session", "session-1", code=2)
    gone = document(capsys, "forget", "copy", "--session", "session-1")
    assert (gone["forgotten"], gone["tastes"], gone["taste"]) == (3, ["copy"], "copy")
    gone = document(capsys, "forget", "--session", "session-1")
    assert (gone["forgotten"], gone["tastes"], gone["taste"]) == (6, ["default", "work"], "default")
    for name in ("default", "work", "copy"):
        assert shelf.read(name).sessions == ("session-0",)
    assert shelf.path("other").read_bytes() == before
    assert "there is no session" in ran(capsys, "forget", "--session", "session-1", code=2)


def test_a_damaged_taste_stops_no_forgetting(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.create("work", TasteRecord(lived(2), "clip-1"))
    shelf.create("broken", TasteRecord())
    shelf.path("broken").write_bytes(b"[]")
    assert document(capsys, "forget", "--session", "session-1")["tastes"] == ["work"]
    assert shelf.path("broken").read_bytes() == b"[]"


def test_the_strength_is_said_and_set(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "strength") == "1\n"
    assert ran(capsys, "strength", "0.3", "--half-life", "never") == "0.3\n"
    record = shelf.read("default")
    assert (record.strength, record.half_life_days) == (0.3, None)


def test_a_taste_is_shown_in_words(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.create("mine", TasteRecord(lived(8), "clip-1"))
    shown = ran(capsys, "show", "mine").splitlines()
    assert shown[0] == "mine: 24 picks in 8 sessions"
    assert "certain" in shown[1]
    assert "of the last 20 columns taken it foresaw" in shown[2] and "left out" not in shown[2]
    likes = next(line for line in shown if line.startswith("likes:"))
    assert "night (+" in likes
    facts = document(capsys, "show", "mine")
    assert facts["enough"] and 0 < facts["certainty"] < 1
    forecast = facts["forecast"]
    assert forecast["picks"] == 20 and forecast["chance_accuracy"] == 0.25
    assert shown[3] == f"mean log-likelihood {forecast['log_likelihood']:.2f} nats (chance -1.39)"
    assert facts["types"] is None
    assert len(facts["best"]) == 5 and facts["best"][0]["image"] is None
    utilities = [it["utility"] for it in facts["best"]]
    assert utilities == sorted(utilities, reverse=True) and utilities[0] > 0
    assert all(it["utility"] < 0 for it in facts["worst"])
    assert any("at night" in it["prompt"] for it in facts["best"])
    small = {"a", "at", "in", "into", "the", "of", "to", "an", "it"}
    for it in (*facts["liked"], *facts["disliked"]):
        assert not small & {it["words"].split()[0], it["words"].split()[-1]}, it


def test_slates_of_one_turn_are_told_apart(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    (pick, *_) = lived(1)
    asked_again = replace(pick, proposal=1, chosen=(), outside=True)
    shelf.create("mine", TasteRecord((pick, asked_again), "clip-1"))
    told = [line.split()[2:] for line in ran(capsys, "show", "mine").splitlines() if line.startswith("  ")]
    turn = str(pick.turn)
    assert {tuple(words[2:4]) for words in told if words[:2] == ["turn", turn]} >= {("proposal", "2")}
    assert any(words[2] == "column" for words in told), "the first slate is just the turn's"


def test_a_refusal_that_is_not_forecast_is_said_to_be_left_out(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    (pick, *_) = lived(1)
    refusal = replace(pick, chosen=(), outside=True)
    taken = replace(pick, proposal=1, when=pick.when + timedelta(minutes=1))
    shelf.create("mine", TasteRecord((refusal, taken), "clip-1"))
    shown = ran(capsys, "show", "mine").splitlines()
    assert "2 picks in 1 session" in shown[0]
    assert shown[2].startswith("of the last column taken it foresaw ")
    assert shown[2].endswith("; 1 refused slate left out")
    assert document(capsys, "show", "mine")["refused"] == 1


def test_a_taste_without_picks_says_so(shelf: TasteShelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "show").splitlines()[0] == "default: it knows nothing yet"
    facts = document(capsys, "show")
    assert not facts["enough"] and facts["forecast"] is None and facts["liked"] == []


def test_what_is_wrong_is_said_in_one_line_and_the_old_one_untouched(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shelf.create("mine", TasteRecord(lived(1), "clip-1"))
    ran(capsys, "use", "mine")
    before = shelf.path("mine").read_bytes()
    foreign, newer, broken, picture = (
        tmp_path / f"{n}.json" for n in ("foreign", "newer", "broken", "picture")
    )
    write_taste(TasteRecord(lived(1, first=5), "clip-2"), foreign)
    newer.write_text(json.dumps(json.loads(before) | {"version": 3}))
    broken.write_bytes(before[:-200])
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    edited = json.loads(before)
    edited["picks"][0]["chosen"] = [2]
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    ran(capsys, "import", "foreign.json")
    refused = {
        ("merge", "foreign"): "another CLIP",
        ("import", "newer.json"): "version 3",
        ("import", "broken.json"): "cut short",
        ("import", "picture.json"): "no taste",
        ("import", "edited.json"): "changed by hand",
        ("import", "nowhere.json"): "there is no file",
        ("import", "foreign.json", "--name", "mine"): "already",
        ("merge", "nobody"): "there is no taste",
        ("use", "nobody"): "there is no taste",
        ("show", "nobody"): "there is no taste",
        ("new", "My Taste"): "cannot name",
        ("new", "mine"): "already",
        ("export", "--out", "no/such/folder/x.json"): f"there is no folder {tmp_path / 'no/such/folder'}",
        ("export", "--out", "."): "is a folder",
        ("import", "."): "is a folder",
        ("merge", "foreign", "mine"): "mine is the taste in use, and --into is missing",
        ("merge", "foreign", "--into", "foreign"): "foreign into foreign: that is the same taste",
        ("merge", "nobody", "--into", "nobody"): "there is no taste",
        ("strength", "abc"): "'STRENGTH'",
        ("strength", "1.5"): "means nothing",
        ("strength", "--half-life", "soon"): "means nothing",
        ("forget", "--session", "nothing"): "there is no session",
        ("space",): "nothing to learn from",
    }
    for arguments, words in refused.items():
        assert words in ran(capsys, *arguments, code=2), arguments
    assert shelf.path("mine").read_bytes() == before
    assert shelf.in_use == "mine"


def test_a_damaged_taste_is_listed_as_that_and_can_be_reset(
    shelf: TasteShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.create("mine", TasteRecord(lived(1), "clip-1"))
    shelf.path("mine").write_bytes(b"[]")
    assert "is no taste" in ran(capsys, "list")
    assert document(capsys, "list")["tastes"][1]["problem"]
    assert "is no taste" in ran(capsys, "show", "mine", code=2)
    ran(capsys, "reset", "mine", "--yes")
    assert shelf.read("mine").picks == ()
