"""The probe against terminals on a pseudo-terminal: the right answer, and nothing left to be read as keys."""

from __future__ import annotations

import os
import termios
from collections.abc import Mapping

import pytest

from pasta_tui.terminal.capabilities import CellSize, Colours, Terminal
from pasta_tui.terminal.graphics import Protocol, choose_graphics
from pasta_tui.terminal.probe import Probed, probe
from tests.support.fake_terminals import CELL, KITTY, NAME, FakeTerminal, device

CELL_ANSWER = {CELL: "\x1b[6;20;10t"}
KITTY_YES = {KITTY: "\x1b_Gi=31;OK\x1b\\"}
TERMINALS: dict[str, Mapping[str, str]] = {
    "sixel": {**CELL_ANSWER, **device(4, 22)},
    "kitty": {**KITTY_YES, NAME: "\x1bP>|kitty(0.42.1)\x1b\\", **CELL_ANSWER, **device(22)},
    "both": {**KITTY_YES, NAME: "\x1bP>|WezTerm 20240203\x1b\\", **CELL_ANSWER, **device(4, 22)},
    "liar": {**KITTY_YES, NAME: "\x1bP>|Konsole 24.08\x1b\\", **CELL_ANSWER, **device(22)},
    "neither": {**CELL_ANSWER, **device(22)},
    "sixel without a cell": device(4),
}
CHOSEN = {
    "sixel": Protocol.SIXEL,
    "kitty": Protocol.KITTY,
    "both": Protocol.SIXEL,
    "liar": Protocol.HALF,
    "neither": Protocol.HALF,
    "sixel without a cell": Protocol.HALF,
}
ENV = {"TERM": "xterm-256color"}
SCREEN = Terminal(colours=Colours.TRUE, interactive=True)


def asked(terminal: FakeTerminal, env: Mapping[str, str] = ENV, limit: float = 20.0) -> Probed:
    return probe(terminal.fd, terminal.fd, env, limit=limit)


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.8])
@pytest.mark.parametrize("kind", TERMINALS)
def test_every_terminal_is_known_at_every_distance(kind: str, delay: float) -> None:
    with FakeTerminal(TERMINALS[kind], delay) as terminal:
        probed = asked(terminal)
        assert terminal.left() == b""
    assert probed.answered
    assert probed.seconds >= delay
    assert choose_graphics("auto", probed, ENV, SCREEN).protocol is CHOSEN[kind]
    assert probed.cell == (None if kind == "sixel without a cell" else CellSize(10, 20))


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_answers_may_come_in_pieces(pieces: int) -> None:
    with FakeTerminal(TERMINALS["kitty"], pieces=pieces) as terminal:
        probed = asked(terminal)
        assert terminal.left() == b""
    assert (probed.kitty, probed.sixel, probed.name) == (True, False, "kitty(0.42.1)")


def test_everything_is_asked_in_one_go_and_the_terminal_is_as_before() -> None:
    with FakeTerminal(TERMINALS["kitty"]) as terminal:
        asked(terminal)
        assert termios.tcgetattr(terminal.fd) == terminal.before
        for query in (KITTY, NAME, CELL, "\x1b[c"):
            assert terminal.asked.count(query) == 1


def test_a_silent_terminal_is_given_up_after_the_limit() -> None:
    with FakeTerminal({}) as terminal:
        probed = asked(terminal, limit=0.2)
        assert terminal.left() == b""
    assert (probed.asked, probed.answered) == (True, False)
    assert probed.seconds >= 0.2
    graphics = choose_graphics("auto", probed, ENV, SCREEN)
    assert graphics.protocol is Protocol.HALF
    assert "did not answer" in graphics.why


@pytest.mark.parametrize("delay", [0.0, 0.15])
def test_keys_that_are_typed_meanwhile_are_told_apart_from_answers(delay: float) -> None:
    with FakeTerminal(TERMINALS["kitty"], delay, pieces=2) as terminal:
        terminal.type(b"a b\x1b[B\x1bOA")
        probed = asked(terminal)
        assert terminal.left() == b""
    assert probed.typed == b"a b\x1b[B\x1bOA"
    assert (probed.kitty, probed.owing) == (True, False)


def test_keys_are_kept_where_nobody_answers() -> None:
    with FakeTerminal({}) as terminal:
        terminal.type(b"ab\x1b")
        probed = asked(terminal, limit=0.2)
    assert (probed.typed, probed.owing) == (b"ab\x1b", True)


def test_an_answer_that_overtakes_another_is_waited_for() -> None:
    late = {"\x1b7": "\x1b[?62;22c", "\x1b[16t": "\x1b[6;20;10t"}
    with FakeTerminal(late) as terminal:
        probed = asked(terminal)
        assert terminal.left() == b""
    assert probed.cell == CellSize(10, 20)


@pytest.mark.parametrize("window", [(0, 0, 0, 0), (0, 0, 1600, 1000), (50, 160, 0, 0), (50, 160, 10, 10)])
def test_a_window_without_a_size_is_no_division_by_zero(window: tuple[int, int, int, int]) -> None:
    with FakeTerminal(device(4), window=window) as terminal:
        assert asked(terminal).cell is None


def test_a_window_with_a_size_in_pixels_tells_the_cell() -> None:
    with FakeTerminal(device(4), window=(50, 160, 1600, 1000)) as terminal:
        assert asked(terminal).cell == CellSize(10, 20)


@pytest.mark.parametrize(
    "env",
    [{"TERM": "dumb"}, {"TERM": "linux"}, {"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, {}],
)
def test_terminals_that_print_questions_are_not_asked(env: dict[str, str]) -> None:
    with FakeTerminal(TERMINALS["sixel"]) as terminal:
        probed = asked(terminal, env)
        assert terminal.asked == ""
    assert (probed.asked, probed.answered) == (False, False)


@pytest.mark.parametrize(
    "env", [{"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, {"TERM": "tmux-256color"}]
)
def test_who_takes_the_kitty_query_for_a_title_is_not_asked_it(env: dict[str, str]) -> None:
    with FakeTerminal(TERMINALS["sixel"]) as terminal:
        probed = asked(terminal, env)
        assert KITTY not in terminal.asked
    assert probed.sixel


def test_a_pipe_is_no_terminal() -> None:
    reader, writer = os.pipe()
    assert probe(reader, writer, ENV) == Probed()
    os.close(reader)
    os.close(writer)
