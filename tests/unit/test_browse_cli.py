"""The `sessions` commands that find, star, delete and draw past sessions."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pasta_core.sessions.images import read_png
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.__main__ import main
from tests.support.commands import PASTA
from tests.support.rollouts import small_services
from tests.support.terminal import TerminalSession

SETTINGS = SessionSettings(turns=2, columns=3, images=2)
DAYS_AGO = (30, 3, 0)


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three sessions, one played a month ago, one three days ago, one blind one now."""
    monkeypatch.setenv("PASTA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    ids = []
    for number, days in enumerate(DAYS_AGO):
        now = datetime.now(UTC) - timedelta(days=days)
        new = NewSession(
            f"a red train [{number}]", number, "micro", "drawn", settings=SETTINGS, blind=days == 0
        )
        store = Store(tmp_path / "data", clock=lambda now=now: now, draw=random.Random(number).randrange)  # type: ignore[misc]
        with store, begin_session(store, new) as session:
            asyncio.run(session.run(small_services(), lambda _: None))
            ids.append(session.id)
    return ids


def ran(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run `pasta sessions` in this process; returns what it printed on stdout, or on stderr if it failed."""
    assert main(["sessions", *arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    document = json.loads(ran(capsys, "list", "--json", *arguments))
    return [session["session"] for session in document["sessions"]]


def test_lists_are_narrowed_by_text_date_and_star(
    sessions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, recent, new = sessions
    assert listed(capsys) == [new, recent, old]
    assert listed(capsys, "--text", "TRAIN [1]") == [recent]
    assert listed(capsys, "--since", "7d") == [new, recent]
    assert listed(capsys, "--since", "7d", "--until", "12h") == [recent]
    assert listed(capsys, "--until", "today", "--limit", "1") == [new]
    ran(capsys, "star", old, recent)
    assert listed(capsys, "--starred") == [recent, old]
    lines = ran(capsys, "list").splitlines()
    assert [line.partition(" ")[0] for line in lines] == [new, f"{recent}*", f"{old}*"]
    ran(capsys, "unstar", old)
    assert listed(capsys, "--starred") == [recent]
    assert "'soon' is no date" in ran(capsys, "list", "--since", "soon", code=2)


def test_nothing_found_is_said_on_stderr(sessions: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "list", "--text", "elephant"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "no session matches\n")


def test_starring_names_what_it_starred_or_changes_nothing(
    sessions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(ran(capsys, "star", "last", "--json")) == {"starred": [sessions[2]]}
    assert json.loads(ran(capsys, "unstar", "last", "--json")) == {"unstarred": [sessions[2]]}
    assert "no session 'nothing'" in ran(capsys, "star", sessions[0], "nothing", code=2)
    assert listed(capsys, "--starred") == []


def test_deleting_without_a_terminal_needs_yes(
    sessions: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pasta_tui.plain.keeping.can_answer", lambda: False)
    assert "--yes" in ran(capsys, "delete", sessions[0], code=2)
    assert len(listed(capsys)) == 3
    assert ran(capsys, "delete", "--yes", sessions[0], sessions[1]) == f"{sessions[0]}\n{sessions[1]}\n"
    assert listed(capsys) == [sessions[2]]
    assert json.loads(ran(capsys, "delete", "-y", "last", "--json")) == {"deleted": [sessions[2]]}
    assert "no session" in ran(capsys, "delete", "--yes", sessions[0], code=2)


def test_one_that_is_played_elsewhere_is_not_deleted(
    sessions: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Store(tmp_path / "data") as store:
        lock = store.lock(sessions[1])
        said = ran(capsys, "delete", "--yes", sessions[0], sessions[1], code=1)
        lock.release()
    assert f"session {sessions[1]} is open in another process" in said
    assert listed(capsys) == [sessions[2], sessions[1]]


def test_a_session_becomes_a_sheet_and_one_turn_a_smaller_one(
    sessions: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    printed = ran(capsys, "export", sessions[0], "--sheet", "whole.png")
    assert printed == f"{tmp_path / 'whole.png'}\n"
    assert not (tmp_path / "sessions.parquet").exists()
    ran(capsys, "export", sessions[0], "--sheet", "turn.png", "--turn", "2")
    whole, turn = (read_png((tmp_path / name).read_bytes()) for name in ("whole.png", "turn.png"))
    assert whole.shape[0] > 2 * turn.shape[0]
    document = json.loads(
        ran(capsys, "export", "--sheet", "s.png", "--out", "s.parquet", sessions[0], "--json")
    )
    assert document["sheet"] == str(tmp_path / "s.png")
    assert (document["path"], document["turns"]) == (str(tmp_path / "s.parquet"), 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sheet", "sheet.jpg"), ".png"),
        (("--turn", "1"), "--sheet"),
        (("--sheet", "s.png", "--turn", "9"), "no turn 9"),
        (("--sheet", "s.png", "last", "last"), "one session"),
    ],
)
def test_a_sheet_that_cannot_be_drawn_is_refused(
    sessions: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert words in ran(capsys, "export", *arguments, code=2)


@pytest.mark.parametrize(("answer", "left"), [("", 3), ("n", 3), ("y", 2)])
def test_deleting_asks_first(
    sessions: list[str], capsys: pytest.CaptureFixture[str], answer: str, left: int
) -> None:
    with TerminalSession([*PASTA, "sessions", "delete", sessions[0]]) as terminal:
        terminal.wait_for("for good? [y/N] ")
        terminal.type(answer)
        assert terminal.wait() == 0
    assert f"{sessions[0]}  a red train [0]" in terminal.text
    assert ("nothing was deleted" in terminal.text) is (left == 3)
    assert len(listed(capsys)) == left
