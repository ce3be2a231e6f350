"""`pasta sessions browse` as a process: on a terminal, and refused without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from tests.support.commands import PASTA, complaint, pasta
from tests.support.rollouts import small_services
from tests.support.terminal import TerminalSession

ESCAPE = b"\x1b"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with one finished session."""
    monkeypatch.setenv("PASTA_DATA_DIR", str(tmp_path))
    settings = SessionSettings(turns=1, columns=2, images=1)
    with (
        Store(tmp_path) as store,
        begin_session(store, NewSession("a [red] train", 1, "micro", "drawn", settings=settings)) as session,
    ):
        asyncio.run(session.run(small_services(), lambda _: None))
    return tmp_path


def test_without_a_terminal_it_is_refused_with_what_to_do_instead(data: Path) -> None:
    assert "sessions list" in complaint(pasta("sessions", "browse"), 2)


def test_on_a_terminal_it_shows_the_sessions_and_escape_leaves(data: Path) -> None:
    env = {"TERM": "xterm-256color", "PASTA_GRAPHICS": "half"}
    with TerminalSession([*PASTA, "sessions", "browse"], env, 80, 24) as terminal:
        terminal.wait_for("1 session")
        terminal.wait_for("finished, 1 of 1 turns")
        assert any("a [red] train" in line for line in terminal.screen.display)
        terminal.press(ESCAPE)
        assert terminal.wait() == 0
    assert "\x1b[?1049l" in terminal.raw, "the terminal is given back as it was"
