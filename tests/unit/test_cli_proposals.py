"""Refusals and swaps in plain lines and as JSON: what is typed, what is told, and told again by a resume."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pasta_core.domain import Answer, Candidate, Choice, History, NoneOfThese, Refusal, Slate, Swap, Turn
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.plain.files import copy_images
from pasta_tui.plain.json_lines import JsonLines
from pasta_tui.plain.person import Lines, Person, Quit, others_told
from tests.support.rollouts import FussyUser, paint_one, small_services

CANDIDATES = tuple(Candidate(f"prompt \x1b[31m{n}", f"kind {n // 5}") for n in range(25))
COLUMNS = tuple((paint_one(f"{n}", n),) for n in range(3))
TURN = Turn(2, CANDIDATES, Slate((3, 8, 20), (0.3, 0.8, 2.0), tuple(n / 10 for n in range(25))), COLUMNS)


class Typing(Lines):
    """What a person types, a line after another."""

    def __init__(self, *lines: str) -> None:
        self._left = iter(lines)

    async def next(self) -> str | None:
        return next(self._left, None)


def said(
    *lines: str, study: bool = False, others: bool = True, history: History | None = None, width: int = 80
) -> tuple[Answer | None, list[str], list[str]]:
    """The answer to `TURN`, what was asked and what was told."""
    asked: list[str] = []
    told: list[str] = []
    person = Person(
        Typing(*lines),
        asked.append,
        told.extend,
        lambda turn, column: (),
        lambda: None,
        others=(lambda turn: others_told(turn, 40)) if others else None,
        study=study,
        width=lambda: width,
    )

    async def answer() -> Answer | None:
        try:
            return await person.choose(history or History("a train"), TURN)
        except Quit:
            return None

    return asyncio.run(answer()), asked, told


def test_none_of_these_takes_the_critique_along() -> None:
    assert said("0")[0] == NoneOfThese()
    assert said("0 make it night")[0] == NoneOfThese("make it night")
    assert said("c make it night", "0")[0] == NoneOfThese("make it night")


def test_what_was_said_with_a_refusal_holds_for_the_choice() -> None:
    refused = History("a train", refusals=(Refusal(TURN, "make it night"),))
    assert said("2", history=refused)[0] == Choice(1, "make it night")
    assert said("2 or by day", history=refused)[0] == Choice(1, "or by day")
    earlier = History("a train", refusals=(Refusal(replace(TURN, number=1), "make it night"),))
    assert said("2", history=earlier)[0] == Choice(1)


def test_what_is_not_shown_is_listed_and_swapped_in() -> None:
    answer, asked, told = said("a", "swap 2 25")
    assert answer == Swap(1, 24)
    assert told[0] == "not shown:" and len(told) == 24
    assert told[1] == "  1   0.00  [kind 0] prompt 0"
    assert all(len(line) <= 60 and "\x1b" not in line for line in told)
    assert asked[0].startswith("Which column? 1-3, 0 none (a others, ")


def test_the_question_fits_the_line() -> None:
    assert said("1")[1] == ["Which column? 1-3, 0 none (a others, c critique, s save, q quit): "]
    assert said("1", width=60)[1] == ["Which column? 1-3, 0 none (a, c, s, q): "]


def test_a_value_that_is_hardly_below_zero_is_zero() -> None:
    slate = replace(TURN.slate, all_values=(-0.001,) * len(TURN.candidates))
    assert others_told(replace(TURN, slate=slate), 40)[1] == "  1   0.00  [kind 0] prompt 0"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a 1 4", "prompt 4 is shown already, as column 1"),
        ("a 1 26", "no prompt 26"),
        ("a 1 0", "no prompt 0"),
    ],
)
def test_what_cannot_be_swapped_in_is_said_and_asked_again(line: str, complaint: str) -> None:
    answer, _, told = said(line, "1")
    assert answer == Choice(0)
    assert complaint in told[0]


def test_a_study_knows_nothing_but_the_choice() -> None:
    answer, asked, told = said("0", "a", "a 1 1", "3", study=True, others=False)
    assert answer == Choice(2)
    assert len(told) == 3 and "study" in told[0]
    assert "none" not in asked[0] and "others" not in asked[0]


def test_a_blind_session_lists_nothing_and_can_be_refused() -> None:
    answer, asked, told = said("a", "a 1 1", "0", others=False)
    assert answer == NoneOfThese()
    assert all("hides its prompts" in line for line in told) and len(told) == 2
    assert "0 none" in asked[0] and "others" not in asked[0]


# JSON lines

NEW = NewSession("a red train", 5, "none", "drawn", settings=SessionSettings(turns=3, columns=3, images=2))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Path]:
    """The lines of a fussy session, those of its resume, and where it is kept."""
    folder = tmp_path_factory.mktemp("data")

    def lines_of(run: Any) -> list[dict[str, Any]]:
        written: list[str] = []
        sink = JsonLines(lambda record: written.append(json.dumps(record)), list)
        asyncio.run(run(sink))
        return [json.loads(line) for line in written]

    services = replace(small_services(), user=FussyUser())
    with Store(folder) as store:
        with begin_session(store, NEW) as session:
            first = lines_of(lambda sink: session.run(services, sink))
        with resume_session(store, "last") as session:
            again = lines_of(lambda sink: session.run(services, sink))
    return first, again, folder


def test_every_refusal_has_a_line_before_that_of_its_turn(told: Any) -> None:
    lines, _, _ = told
    assert [(line["event"], line.get("turn"), line.get("proposal")) for line in lines] == [
        *(("refused", 1, 0), ("turn", 1, 1)),
        *(("refused", 2, 0), ("refused", 2, 1), ("turn", 2, 2)),
        *(("turn", 3, 0), ("final", None, None)),
    ]
    refused = lines[0]
    assert "choice" not in refused and refused["critique"] == "brighter"
    turn_keys = {*lines[1]} - {"choice"}
    assert {*refused} == turn_keys
    assert len(refused["candidates"]) == 25 and len(refused["slate"]) == 3
    assert all(Path(path).is_file() for column in refused["images"] for path in column)


def test_a_line_says_what_its_columns_showed_before(told: Any) -> None:
    lines, _, _ = told
    last = lines[-2]
    assert last["swaps"]
    for swap in last["swaps"]:
        assert {*swap} == {"column", "before", "after", "images", "sha256"}
        assert len(swap["images"]) == len(swap["sha256"]) == 2
    first = last["swaps"][0]
    assert not {*first["sha256"]} & {*last["sha256"][first["column"]]}
    assert lines[0]["swaps"] == []


def test_a_resume_tells_the_same_lines(told: Any) -> None:
    lines, again, _ = told
    assert all(line["replayed"] for line in again[:-1])
    assert [{**line, "replayed": False} for line in again[:-1]] == lines[:-1]
    assert again[-1] == lines[-1]


def test_the_documentation_names_every_key(told: Any) -> None:
    lines, _, _ = told
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    keys = {key for line in lines for key in line} | {
        key for line in lines for it in line.get("swaps", ()) for key in it
    }
    assert {key for key in keys if f'"{key}"' not in text and f"`{key}`" not in text} == set()


def test_copies_of_two_proposals_do_not_replace_each_other(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "column-1-image-1.png" for folder in ("turn-1", "turn-1-proposal-2")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    (tmp_path / "out").mkdir()
    copies: Sequence[Path] = copy_images("it", 1, paths, tmp_path / "out")
    assert [path.name for path in copies] == [
        "it-turn-1-column-1-image-1.png",
        "it-turn-1-proposal-2-column-1-image-1.png",
    ]
