"""Which way of showing pictures is chosen, and what is said about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pasta_core.configuration import GRAPHICS, configure
from pasta_core.errors import InvalidInput
from pasta_tui.terminal.brands import UNKNOWN, brand_of
from pasta_tui.terminal.capabilities import CellSize, Colours, Terminal
from pasta_tui.terminal.graphics import Graphics, Protocol, choose_graphics
from pasta_tui.terminal.probe import Probed
from pasta_tui.terminal.replies import Replies, Reply
from pasta_tui.terminal.sieve import Sieve
from pasta_tui.terminal.tmux import Tmux, ask_tmux, past_tmux

SCREEN = Terminal(colours=Colours.TRUE, interactive=True)
CELL = CellSize(10, 20)
SIXEL = Probed(asked=True, answered=True, sixel=True, cell=CELL)
KITTY = Probed(asked=True, answered=True, kitty=True, cell=CELL)
BOTH = Probed(asked=True, answered=True, kitty=True, sixel=True, cell=CELL)
PLAIN = Probed(asked=True, answered=True, cell=CELL)


def named(probed: Probed, name: str) -> Probed:
    return Probed(probed.asked, probed.answered, probed.kitty, probed.sixel, probed.cell, name)


def in_tmux(tmux: Tmux, sixel: bool = False) -> Probed:
    return Probed(True, True, False, sixel, CELL, "tmux 3.5", tmux=tmux)


OUTER_KITTY = Tmux("kitty(0.42.1)", "xterm-kitty", passthrough=True)
HELD_BACK = Tmux("kitty(0.42.1)", "xterm-kitty")
OUTER_FOOT = Tmux("foot(1.20)", "foot", sixel=True)
OUTER_PLAIN = Tmux("", "xterm-256color", passthrough=True)


@pytest.mark.parametrize(
    ("probed", "env", "protocol", "words"),
    [
        (named(KITTY, "kitty(0.42.1)"), {}, "kitty", "kitty(0.42.1) answered"),
        (named(KITTY, "ghostty 1.2"), {}, "kitty", "ghostty"),
        (KITTY, {"TERM": "xterm-kitty"}, "kitty", "kitty answered"),
        (named(BOTH, "WezTerm 20240203"), {}, "sixel", "loses kitty pictures"),
        (BOTH, {"TERM_PROGRAM": "WezTerm"}, "sixel", "WezTerm"),
        (named(KITTY, "Konsole 24.08"), {}, "half", "has no placeholders"),
        (named(BOTH, "Konsole 24.08"), {}, "sixel", "Konsole"),
        (KITTY, {"TERM_PROGRAM": "WarpTerminal"}, "half", "Warp"),
        (KITTY, {"TERM": "xterm-256color"}, "half", "not known to draw placeholders"),
        (named(KITTY, "xterm.js(6.1)"), {"TERM": "xterm-kitty"}, "half", "has no placeholders"),
        (SIXEL, {"WT_SESSION": "1"}, "sixel", "Windows Terminal"),
        (SIXEL, {"TERM_PROGRAM": "vscode"}, "sixel", "VS Code"),
        (named(SIXEL, "XTerm(397)"), {}, "sixel", "XTerm(397)"),
        (Probed(True, True, sixel=True), {}, "half", "size of its cells"),
        (PLAIN, {"VTE_VERSION": "7600"}, "half", "GNOME Terminal says"),
        (named(SIXEL, "tmux 3.5"), {"TERM": "xterm-256color"}, "half", "tmux 3.5 cannot be asked from here"),
        (SIXEL, {"TERM": "screen-256color"}, "half", "tmux or screen cannot be asked from here"),
        (Probed(asked=True), {}, "half", "did not answer"),
        (Probed(), {"TERM_PROGRAM": "Apple_Terminal"}, "half", "Apple Terminal shows no pictures"),
        (in_tmux(OUTER_KITTY), {}, "kitty", "lets kitty graphics through"),
        (in_tmux(HELD_BACK), {"TERM": "xterm-kitty"}, "half", "allow-passthrough on"),
        (in_tmux(OUTER_FOOT, sixel=True), {}, "sixel", "tmux draws Sixel on foot(1.20)"),
        (in_tmux(OUTER_FOOT), {}, "half", "passes no pictures on"),
        (in_tmux(OUTER_PLAIN, sixel=True), {}, "half", "around it cannot"),
        (in_tmux(Tmux()), {"TERM_PROGRAM": "ghostty"}, "half", "passes no pictures on"),
    ],
)
def test_the_choice_and_its_reason(probed: Probed, env: dict[str, str], protocol: str, words: str) -> None:
    graphics = choose_graphics("auto", probed, env, SCREEN)
    assert graphics.protocol == protocol
    assert words in graphics.why
    assert "\n" not in graphics.why


@pytest.mark.parametrize(
    ("terminal", "env", "words"),
    [
        (Terminal(colours=Colours.NONE, interactive=True), {"NO_COLOR": "1"}, "NO_COLOR"),
        (Terminal(colours=Colours.NONE, interactive=True), {"TERM": "dumb"}, "TERM is dumb"),
        (Terminal(colours=Colours.TRUE, interactive=True, unicode=False), {}, "no Unicode"),
        (Terminal(), {}, "not a terminal"),
    ],
)
def test_without_colours_or_letters_there_are_shades(
    terminal: Terminal, env: dict[str, str], words: str
) -> None:
    graphics = choose_graphics("auto", named(KITTY, "kitty(0.42.1)"), env, terminal)
    assert graphics.protocol is Protocol.HALF
    assert (graphics.colours, graphics.unicode) == (terminal.colours, terminal.unicode)
    assert words in graphics.why


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_setting_is_obeyed_and_says_what_would_have_been(protocol: Protocol) -> None:
    graphics = choose_graphics(protocol, PLAIN, {}, SCREEN)
    assert graphics.protocol is protocol
    if protocol in (Protocol.KITTY, Protocol.SIXEL):
        assert "left to itself it would be half" in graphics.why


def test_forced_sixel_without_a_cell_size_says_what_it_takes() -> None:
    graphics = choose_graphics("sixel", Probed(asked=True, answered=True), {}, SCREEN)
    assert graphics.cell == (10, 20)
    assert "10x20" in graphics.why


def test_a_cell_that_can_be_measured_is_the_one_of_now() -> None:
    assert Graphics().cell_now() is None
    assert Graphics(cell=CELL).cell_now() == CELL
    assert Graphics(cell=CELL, measure=lambda: CellSize(8, 16)).cell_now() == CellSize(8, 16)


def test_an_answer_beats_the_environment_that_was_inherited() -> None:
    inherited = {"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm", "VTE_VERSION": "7600"}
    assert brand_of("XTerm(397)", inherited).name == "xterm"
    assert brand_of("something new", inherited) is UNKNOWN
    assert brand_of("", {**inherited, "TERM": "xterm-kitty"}).name == "kitty"


def test_replies_are_found_between_keys_and_broken_ones_dropped() -> None:
    replies = Replies()
    stream = b"a\x1b[A\x1b[6;20\x1b[?62;4cq\x1b_Gi=31;OK\x1b\\\x1bOP\x1b]11;rgb\x07\x1b[1\x07m\x1b[c"
    found = list(replies.feed(stream))
    assert b"".join(reply.raw for reply in found) + replies.rest() == stream
    assert [reply for reply in found if reply.kind] == [
        Reply("CSI", "A"),
        Reply("CSI", "?62;4c"),
        Reply("APC", "Gi=31;OK"),
        Reply("OSC", "11;rgb"),
        Reply("CSI", "c"),
    ]


def test_late_answers_are_taken_out_of_what_is_typed_and_nothing_else() -> None:
    stream = (
        b"a\x1b[B\x1bP>|foot(1.20)\x1b\\b\x1b[?62;4c\x1b[6;20;10t\x1b_Gi=31;OK\x1b\\\x1b[<0;5;5Mc\x1b\x1b[A"
    )
    for step in (1, 2, 5, len(stream)):
        sieve = Sieve(owing=True)
        pieces = [sieve.keys(stream[at : at + step]) for at in range(0, len(stream), step)]
        assert b"".join(pieces) + sieve.keys(b"") == b"a\x1b[Bb\x1b[<0;5;5Mc\x1b\x1b[A"
    assert Sieve(owing=False).keys(b"\x1b[?62;4c") == b"\x1b[?62;4c"


def test_an_escape_is_held_only_for_a_moment_and_nothing_for_ever() -> None:
    now = [0.0]
    sieve = Sieve(owing=True, clock=lambda: now[0])
    assert sieve.keys(b"x\x1b") == b"x"
    assert sieve.keys(b"") == b"\x1b"
    now[0] = 31.0
    assert sieve.keys(b"\x1b[?62;4c") == b"\x1b[?62;4c"


def test_endless_replies_end() -> None:
    replies = Replies()
    assert not any(reply.kind for reply in replies.feed(b"\x1b_" + b"x" * 10_000))
    assert list(replies.feed(b"\x1b[c")) == [Reply("CSI", "c")]


def test_tmux_is_asked_about_this_pane() -> None:
    asked: list[tuple[str, ...]] = []

    def command(*words: str) -> str:
        asked.append(words)
        return "kitty(0.42.1)\txterm-kitty\tRGB,sixel,title\t1\n"

    assert ask_tmux({}, command) is None
    found = ask_tmux({"TMUX": "/tmp/tmux-0/default,1,0", "TMUX_PANE": "%3"}, command)
    assert found == Tmux("kitty(0.42.1)", "xterm-kitty", sixel=True, passthrough=True)
    assert asked[0][:5] == ("tmux", "display-message", "-p", "-t", "%3")


@pytest.mark.parametrize("answer", ["", "\n", "\t\t\t0\n", "\t\t\toff\n"])
def test_a_tmux_that_says_little_lets_nothing_through(answer: str) -> None:
    found = ask_tmux({"TMUX": "x"}, lambda *command: answer)
    assert found == Tmux()


def test_what_goes_past_tmux_has_its_escapes_doubled() -> None:
    assert past_tmux("\x1b_Ga=d\x1b\\") == "\x1bPtmux;\x1b\x1b_Ga=d\x1b\x1b\\\x1b\\"


@pytest.mark.parametrize("value", GRAPHICS)
def test_the_setting_has_its_layers(value: str, tmp_path: Path) -> None:
    assert configure({}, os.environ, tmp_path).graphics == "auto"
    assert configure({}, {**os.environ, "PASTA_GRAPHICS": value}, tmp_path).graphics == value
    assert (
        configure({"graphics": value}, {**os.environ, "PASTA_GRAPHICS": "half"}, tmp_path).graphics == value
    )


def test_a_wrong_setting_names_the_right_ones(tmp_path: Path) -> None:
    (tmp_path / "pasta.toml").write_text('graphics = "ascii"\n')
    with pytest.raises(InvalidInput) as raised:
        configure({}, os.environ, tmp_path)
    assert str(tmp_path / "pasta.toml") in raised.value.message
    assert "auto, kitty, sixel, half, none" in raised.value.hint
