"""A belief and a slate's reasons in sentences and plain lines."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pasta_core.agent.slate_reasons import ColumnReason, Intent, SlateReasons
from pasta_core.domain import Candidate
from pasta_core.errors import InvalidInput
from pasta_core.users.belief import BeliefAccount, BeliefStep, Shift
from pasta_tui.insight_words import because, chose, moves, rests, took, worth
from pasta_tui.plain.belief import belief_told, why_told
from pasta_tui.widgets.belief import belief_lines
from pasta_tui.widgets.why import why_lines

STEP = BeliefStep(
    turn=2,
    chosen=(1,),
    columns=4,
    critique="",
    foreseen=0.4,
    guess=0.25,
    taken=Shift("column 2", 0.1, 0.6),
    likeness=0.1,
    pictures=0.3,
    prompts=0.1,
    shifts=(Shift("at night", 0.0, 0.4), Shift("dull", 0.0, 0.001), Shift("neon\x1b[2J", 0.2, -0.1)),
    certainty=(0.1, 0.2),
    types=((0.5, 0.5), (0.75, 0.25)),
)
ACCOUNT = BeliefAccount(3, 3.0, 0.2, (0.75, 0.25), (STEP,))
LIGHT = Candidate("a secret train at night", "light")
REASON = ColumnReason(LIGHT, Intent.PLEASE, 0.82, 0.31, None, 2, 1, 1, 5)
OTHER = Candidate("a secret bus", "style")


def reasons(*columns: ColumnReason, current: bool = True) -> SlateReasons:
    return SlateReasons(3, "taste:0.25", 25, 4, columns, current)


class Fixed:
    """Says what it was given, or fails."""

    def __init__(self, account: BeliefAccount | None, found: SlateReasons | None) -> None:
        self._account = account
        self._found = found

    async def belief(self) -> BeliefAccount:
        if self._account is None:
            raise InvalidInput("this session learns no taste", "begin another")
        return self._account

    async def reasons(self) -> SlateReasons | None:
        return self._found


@pytest.mark.parametrize(
    ("kept", "own", "said"),
    [
        (0, 0, "no pick yet"),
        (0, 1, "1 pick of this session, a first impression"),
        (0, 12, "12 picks of this session"),
        (4, 0, "4 from before, a first impression"),
        (20, 2, "2 picks here, 20 from before"),
    ],
)
def test_what_a_belief_rests_on(kept: int, own: int, said: str) -> None:
    assert rests(BeliefAccount(kept, float(kept), 0.0, (), (STEP,) * own)) == said


def test_what_was_taken() -> None:
    assert took(STEP) == "turn 2: column 2"
    assert took(replace(STEP, chosen=(), critique="more snow")) == "turn 2: none of these, “more snow”"
    assert took(replace(STEP, chosen=(0, 2))) == "turn 2: columns 1, 3"


def test_what_hardly_moves_is_not_named() -> None:
    gained, lost = moves(STEP)
    assert [it.words for it in gained] == ["at night"]
    assert [it.moved for it in lost] == pytest.approx([-0.3])


def test_what_is_predicted() -> None:
    assert worth(REASON) == "+0.82 ± 0.31"
    assert worth(replace(REASON, value=6.1)) == "+0.82 ± 0.31, value 6.10"
    assert worth(replace(REASON, utility=None, spread=None, value=6.1)) == "value 6.10"
    assert worth(ColumnReason(LIGHT)) == ""


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (REASON, "the best of its 5 by what is expected, 2nd of all 25"),
        (
            replace(REASON, intent=Intent.LEARN, category_rank=3, behind=0.2, instead=LIGHT, drawn_rank=1),
            "3rd of its 5, 0.20 less expected than of the best, drawn as 1st of 25",
        ),
        (
            replace(REASON, intent=Intent.LEARN, behind=0.2, instead=OTHER, drawn_rank=11),
            "0.20 less expected than of style, which is not shown, drawn as 11th of 25",
        ),
        (replace(REASON, intent=Intent.CHANCE, drawn_rank=None), "nothing tells the prompts apart yet"),
        (replace(REASON, intent=Intent.CHANCE), "all are expected to be alike, drawn as 1st of 25"),
        (ColumnReason(LIGHT, Intent.CHANCE), "drawn at random, one of each category"),
        (ColumnReason(LIGHT, Intent.WRITTEN), "the writer's own, nothing was selected"),
        (replace(REASON, intent=Intent.WISH), "you asked for it"),
    ],
)
def test_why_a_column_is_shown(reason: ColumnReason, said: str) -> None:
    assert because(reason, reasons(reason)) == said
    assert "secret" not in said


def test_a_taste_that_was_changed_since_is_told() -> None:
    reason = replace(REASON, intent=None)
    assert "changed since" in because(reason, reasons(reason, current=False))


def test_what_chose() -> None:
    assert chose(reasons(REASON)) == "taste:0.25 showed 1 of 25 prompts, after 4 picks"
    assert chose(SlateReasons(1, "writer", 2, 0, (REASON,) * 2)) == "writer showed 2 prompts"


def test_plain_lines_of_a_belief() -> None:
    said = asyncio.run(belief_told(Fixed(ACCOUNT, None)))  # type: ignore[arg-type]
    assert said == [
        "1 pick here, 3 from before, a first impression; 20% certain",
        "turn 2: column 2; foreseen with 40% (chance 25%)",
        "the column you took +0.50: its pictures +0.30, its prompt +0.10, its likeness +0.10",
        "gained: at night (+0.40)",
        "lost: neon (-0.30)",
        "types: 0 75%, 1 25%; 0.8 bits open",
    ]


@pytest.mark.parametrize("turn", [1, 10, 50])
def test_a_refusal_is_marked_among_the_picks_of_its_turn(turn: int) -> None:
    took_none, took_one = replace(STEP, turn=turn, chosen=()), replace(STEP, turn=turn)
    drawn = belief_lines(replace(ACCOUNT, steps=(took_none, took_one)), 38).plain.splitlines()
    refused, chosen = drawn[-2:]
    assert refused.startswith(f"turn {turn}, 0 ") and not chosen.startswith(f"turn {turn},")
    assert {len(refused), len(chosen)} == {38}


def test_plain_lines_of_reasons() -> None:
    learned = ColumnReason(OTHER, Intent.CHANCE)
    said = asyncio.run(why_told(Fixed(None, reasons(REASON, learned))))  # type: ignore[arg-type]
    assert said == [
        "taste:0.25 showed 2 of 25 prompts, after 4 picks",
        "1  light, to please: +0.82 ± 0.31; the best of its 5 by what is expected, 2nd of all 25",
        "2  style, by chance: drawn at random, one of each category",
    ]
    assert asyncio.run(why_told(Fixed(None, None))) == ["there is no slate yet"]  # type: ignore[arg-type]


def test_a_blind_session_tells_columns_by_their_number_alone() -> None:
    learned = replace(REASON, intent=Intent.LEARN, behind=0.2, instead=OTHER, drawn_rank=11)
    found = replace(reasons(REASON, learned), blind=True)
    hidden = "--blind hides prompts and categories"
    said = asyncio.run(why_told(Fixed(None, found)))  # type: ignore[arg-type]
    assert said[1].startswith("column 1, to please: +0.82")
    assert "0.20 less expected than of a category that is not shown" in said[2]
    assert said[-1] == hidden
    account = replace(ACCOUNT, steps=(replace(STEP, shifts=()),), blind=True)
    believed = asyncio.run(belief_told(Fixed(account, None)))  # type: ignore[arg-type]
    assert believed[1].startswith("turn 2: column 2") and hidden in believed
    drawn = why_lines(found, 80, 0).plain + belief_lines(account, 38).plain.replace("\n", " ")
    assert drawn.count(hidden) == 2 and "column 2" in drawn
    for text in ("\n".join((*said, *believed)), drawn):
        assert not any(word in text for word in ("light", "style", "secret"))


def test_what_cannot_be_told_is_said_in_a_line() -> None:
    said = asyncio.run(belief_told(Fixed(None, None)))  # type: ignore[arg-type]
    assert said == ["this session learns no taste; begin another"]
