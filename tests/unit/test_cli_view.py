"""What a stream of events looks like: to a person, in a pipe, and as JSON lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pasta_core.domain import Candidate, Choice, Image, Slate
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Finished,
    ImageReady,
    Note,
    PaintingProgress,
    SessionStarted,
    SlateChosen,
    TurnReady,
    WritingProgress,
    WritingStarted,
)
from pasta_core.settings import SessionSettings
from pasta_tui.console.output import Output
from pasta_tui.plain.json_lines import JsonLines
from pasta_tui.plain.view import PlainView
from pasta_tui.terminal.text import cell_width

CANDIDATES = tuple(Candidate(f"[b]prompt {n}[/b] of a cat", f"category {n // 5}") for n in range(25))
SLATE = Slate((3, 7, 12, 20))
SETTINGS = SessionSettings(turns=1)


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def picture(seed: int) -> Image:
    return Image(seed, np.random.default_rng(seed).integers(0, 255, (64, 64, 3)).astype(np.uint8))


COLUMNS = tuple(tuple(picture(4 * column + index) for index in range(4)) for column in range(4))
PATHS = tuple(tuple(Path(f"/data/{column}-{index}.png") for index in range(4)) for column in range(4))


def session(replayed: bool = False) -> list[Event]:
    """The events of a session of one turn."""
    start = (Candidate("a cat", "initial prompt"),)
    return [
        SessionStarted("20261123-bcdf", "a cat", 7, "micro", "random", resumed=replayed),
        Note("one thing to know"),
        PaintingProgress(0, 8, 32),
        ImageReady(0, 0, 0, COLUMNS[0][0], replayed=replayed),
        TurnReady(0, start, Slate((0,)), COLUMNS[:1], PATHS[:1], replayed=replayed),
        WritingStarted(1, 12),
        WritingProgress(1, 8, 25),
        CandidatesReady(1, CANDIDATES, replayed=replayed),
        SlateChosen(1, SLATE, replayed=replayed),
        PaintingProgress(1, 56, 128),
        TurnReady(1, CANDIDATES, SLATE, COLUMNS, PATHS, replayed=replayed),
        Chosen(1, Choice(2, "make it night"), replayed=replayed),
        Finished("20261123-bcdf", CANDIDATES[12].prompt, COLUMNS[2], PATHS[2]),
    ]


def shown(
    events: list[Event], env: dict[str, str], who: str = "you", blind: bool = False, on_terminal: bool = True
) -> tuple[str, str]:
    stdout, stderr = (Screen(), Screen()) if on_terminal else (io.StringIO(), io.StringIO())
    out = Output(env, stdout=stdout, stderr=stderr)
    view = PlainView(out, SETTINGS, blind=blind, pictures=True, who=who)
    for event in events:
        view(event)
    return stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize("width", [24, 60, 80, 132])
def test_a_turn_fits_the_width_and_markup_stays_literal(width: int) -> None:
    stdout, _ = shown(session(), {"TERM": "xterm-256color", "COLUMNS": str(width), "LINES": "40"})
    assert all(cell_width(line) <= width for line in stdout.splitlines())
    words = " ".join(stdout.split())
    assert "Turn 1 of 1" in words
    assert "[b]prompt" in words
    assert "Your picture: " in words


def test_columns_stand_in_shown_order_with_category_and_prompt() -> None:
    stdout, _ = shown(session(), {"TERM": "dumb", "COLUMNS": "132", "LINES": "40"})
    captions = [line for line in stdout.splitlines() if "[category" in line]
    assert captions[0].split()[:2] == ["[category", "0]"]
    assert [captions[0].count(f"[category {n}]") for n in range(5)] == [1, 1, 1, 0, 1]


def test_blind_shows_neither_prompts_nor_categories() -> None:
    stdout, stderr = shown(session()[:-1], {"TERM": "xterm"}, who="planted:0", blind=True)
    assert "category" not in stdout
    assert "prompt" not in stdout
    assert "planted:0 chooses column 3" in stderr
    assert "[b]" not in stderr


def test_progress_is_one_line_that_is_rewritten() -> None:
    _, stderr = shown(session(), {"TERM": "xterm"})
    for stage in ("your words: painting 1/4", "turn 1 of 1: writing 8/25", "turn 1 of 1: painting 7/16"):
        assert f"\r\x1b[K{stage}" in stderr
    assert stderr.count("\n") == 2


def test_in_a_pipe_each_stage_is_named_once_and_nothing_is_drawn() -> None:
    stdout, stderr = shown(session(), {"TERM": "xterm"}, on_terminal=False)
    assert stdout == ""
    assert "\x1b" not in stderr
    assert stderr.splitlines()[1:] == [
        "starting the models",
        "note: one thing to know",
        "your words: painting",
        "turn 1 of 1: writing",
        "turn 1 of 1: choosing what to show",
        "turn 1 of 1: painting",
    ]


def test_a_resumed_session_shrinks_answered_turns_and_shows_the_open_one() -> None:
    answered, _ = shown(session(replayed=True), {"TERM": "dumb"})
    assert "Turn 1 of 1" not in answered
    stdout, stderr = Screen(), Screen()
    out = Output({"TERM": "dumb"}, stdout=stdout, stderr=stderr)
    view = PlainView(out, SETTINGS, blind=False, pictures=True, who="you")
    for event in session(replayed=True)[:-2]:
        view(event)
    assert "Turn 1 of 1" not in stdout.getvalue()
    view.catch_up()
    assert "Turn 1 of 1" in stdout.getvalue()


def recorded(events: list[Event], copies: list[Path] | None = None) -> list[dict[str, Any]]:
    stdout = io.StringIO()
    out = Output({}, as_json=True, stdout=stdout, stderr=io.StringIO())
    lines = JsonLines(out.record, lambda: copies or [])
    for event in events:
        lines(event)
    return [json.loads(line) for line in stdout.getvalue().splitlines()]


def test_json_lines_are_the_turn_and_the_final_line() -> None:
    turn, final = recorded(session(), [Path("/out/1.png")])
    assert turn["event"] == "turn"
    assert (turn["turn"], turn["slate"], turn["choice"]) == (1, [3, 7, 12, 20], 2)
    assert turn["candidates"][3] == {"category": "category 0", "prompt": CANDIDATES[3].prompt}
    assert turn["images"] == [[str(path) for path in column] for column in PATHS]
    assert turn["sha256"][1][2] == COLUMNS[1][2].sha256
    assert (turn["critique"], turn["replayed"], turn["values"]) == ("make it night", False, None)
    assert final["event"] == "final"
    assert (final["session"], final["prompt"]) == ("20261123-bcdf", CANDIDATES[12].prompt)
    assert final["images"] == turn["images"][2]
    assert final["copies"] == ["/out/1.png"]


def test_replayed_turns_are_marked() -> None:
    assert [line.get("replayed") for line in recorded(session(replayed=True))] == [True, None]


def test_json_mode_keeps_stdout_for_json() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output({}, as_json=True, stdout=stdout, stderr=stderr)
    out.data("a path")
    out.note("a \x1b[31mnote")
    out.show(["a picture"])
    out.document({"key": "é"})
    assert json.loads(stdout.getvalue()) == {"key": "é"}
    assert stderr.getvalue() == "note: a note\na picture\n"


def test_no_line_and_no_json_of_a_command_is_obeyed_by_a_terminal() -> None:
    foreign = "a \x1b]0;title\x07b\x9b2J\u202e\nc \udcff"
    out, err = Screen(), Screen()
    output = Output({"TERM": "xterm"}, stdout=out, stderr=err)
    output.data(f"{'micro':12}{foreign}")
    output.message(f"one\n{foreign}")
    output.progress(foreign)
    assert out.getvalue() == "micro       a b c \n"
    assert err.getvalue().startswith("one\na b\nc \n") and "\x07" not in err.getvalue()
    stdout = Screen()
    Output({}, as_json=True, stdout=stdout, stderr=err).document({"said": foreign, "猫": "ü"})
    assert json.loads(stdout.getvalue()) == {"said": foreign, "猫": "ü"}
    assert not set(stdout.getvalue()) & set("\x1b\x9b\x07\u202e\udcff") and "ü" in stdout.getvalue()
