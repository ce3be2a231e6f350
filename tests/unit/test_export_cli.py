"""`pasta sessions export` on the command line: where its files may go, and when there is nothing to write."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.domain import Answer, History, Turn
from pasta_core.errors import Cancelled
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.__main__ import main
from tests.support.rollouts import FussyUser, small_services

NEW = NewSession("a red train", 5, "micro", "drawn", settings=SessionSettings(turns=1, columns=3, images=2))


class Leaving(FussyUser):
    """Refuses so many slates and leaves."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    async def choose(self, history: History, turn: Turn) -> Answer:
        if len(history.refusals) == self.refusals:
            raise Cancelled("enough")
        return await super().choose(history, turn)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASTA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def left_after(data: Path, refusals: int) -> str:
    """A session that was left before its first choice."""
    with Store(data) as store, begin_session(store, NEW) as session:
        with pytest.raises(Cancelled):
            asyncio.run(session.run(replace(small_services(), user=Leaving(refusals)), lambda event: None))
        return session.id


def played(data: Path) -> str:
    with Store(data) as store, begin_session(store, NEW) as session:
        asyncio.run(session.run(small_services(), lambda event: None))
        return session.id


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused export says."""
    assert main(["sessions", "export", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1, printed.err
    return printed.err


def test_a_session_without_a_choice_is_nothing_to_export(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "there is no session to export" in refused(capsys)
    left = left_after(data, 0)
    for arguments in ((), ("last",), ("last", "--json"), ("--sheet", "s.png", "--out", "s.parquet")):
        line = refused(capsys, *arguments)
        assert f"nothing was chosen in session {left} yet" in line
        assert f"pasta session --resume {left}" in line
    left_after(data, 0)
    assert "nothing was chosen in any session yet" in refused(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["data"], "no empty file is left"
    finished = played(data)
    assert main(["sessions", "export"]) == 0, "beside one that was played it is kept as before"
    assert "3 sessions with 1 turn\n" in capsys.readouterr().err
    assert main(["sessions", "export", finished]) == 0
    assert "1 session with 1 turn\n" in capsys.readouterr().err


def test_refused_slates_alone_are_something_to_export(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left_after(data, 1)
    assert main(["sessions", "export", "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert (exported["trajectories"], exported["turns"]) == (1, 0)


@pytest.mark.parametrize("option", ["--out", "--sheet"])
def test_a_folder_that_is_not_there_is_not_made(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str
) -> None:
    played(data)
    there = tmp_path / "nope"
    assert f"there is no folder {there}" in refused(capsys, option, "nope/x.png")
    assert not there.exists()
    there.write_bytes(b"")
    assert f"there is no folder {there}" in refused(capsys, option, "nope/x.png")
    (tmp_path / "x.png").mkdir()
    line = refused(capsys, option, "x.png")
    assert f"{tmp_path / 'x.png'} is a folder" in line and f"name a file: {tmp_path / 'x.png/x.png'}" in line
