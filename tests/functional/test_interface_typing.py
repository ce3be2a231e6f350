"""Keys that come early and answers that come late, on a terminal that is slow to say what it is."""

from __future__ import annotations

import pytest

from tests.support.commands import PASTA
from tests.support.terminal import TerminalSession

ANSWERS = b"\x1bP>|slow(1.0)\x1b\\\x1b[6;20;10t\x1b[?62;4c"


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch, own_directories: object) -> None:
    for name in ("TMUX", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_nothing_that_is_typed_early_is_lost_and_no_late_answer_is_read_as_keys() -> None:
    with TerminalSession([*PASTA, "session"], None, 80, 24) as session:
        session.press(b"a blue")
        session.wait_to_see("What do you want to see?")
        session.wait_to_see("a blue")
        for byte in ANSWERS:
            session.press(bytes([byte]))
        session.press(b" boat")
        session.wait_to_see("a blue boat")
        session.wait_to_see("3 of 62 words")
        session.press(b"\x11")
        assert session.wait() == 0


def test_a_prompt_that_is_typed_ahead_with_enter_begins() -> None:
    with TerminalSession([*PASTA, "session"], None, 80, 24) as session:
        session.press(b"a red train\r")
        session.wait_to_see("starting the models")
        session.wait_to_see("a red train")
        session.press(b"\x11")
        assert session.wait() == 0
