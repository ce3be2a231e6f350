"""The comparison of agents against numbers computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pasta_core.data.trajectories import TrajectoryRecord, TurnRecord
from pasta_core.domain import Candidate, Choice, Slate
from pasta_core.errors import Cancelled, InvalidInput
from pasta_core.evaluation import agent
from pasta_core.evaluation.agent import Yardstick, evaluate_agents
from pasta_core.reproduction.agents import _measured
from pasta_tui.cli._evaluate_agent_report import table


def records(
    utilities: Sequence[Sequence[float]], values: float | None = None, first: int = 0
) -> list[TrajectoryRecord]:
    """Trajectories whose chosen columns have these utilities; rewards are 10 times them."""
    shown = (Candidate("a", "x"), Candidate("b", "y"))
    slate = Slate((0, 1), None if values is None else (values, values + 1))
    return [
        TrajectoryRecord(
            id=f"{number:08d}",
            source="simulate",
            complete=True,
            user="planted:0",
            profile="micro",
            selector="random",
            seed=first + number,
            initial_prompt="a train",
            turns=tuple(
                TurnRecord(turn, shown, slate, (), Choice(1), utilities=(-9.0, one), reward=10 * one)
                for turn, one in enumerate(row, start=1)
            ),
        )
        for number, row in enumerate(utilities)
    ]


RANDOM = records([(0.0, 0.1), (0.5, 0.2), (0.4, 0.4), (0.1, 0.1)])
BETTER = records([(0.1, 0.5), (0.5, 0.4), (0.4, 0.8), (0.1, 0.5)], values=4.0)
ORACLE = records([(0.5, 0.9), (0.6, 0.6), (0.5, 0.8), (0.5, 0.9)])


def test_means_gap_and_turns_by_hand() -> None:
    found = evaluate_agents(
        {"random": RANDOM, "value:m": BETTER, "oracle": ORACLE}, Yardstick(sparse=True, same=0.15)
    )
    random, value, oracle = found
    assert random.score.value == pytest.approx(2.0) and value.score.value == pytest.approx(5.5)
    assert value.gap_closed.value == pytest.approx((5.5 - 2.0) / (8.0 - 2.0))
    assert (random.gap_closed.value, oracle.gap_closed.value) == (0.0, 1.0)
    assert value.ceiling == "oracle"
    assert [turn.value.value for turn in value.turns] == pytest.approx([2.75, 5.5])
    assert [turn.predicted for turn in value.turns] == [4.5, 4.5] and random.turns[0].predicted is None
    # changes of random: +.1, -.3, 0, 0; of value: +.4, -.1, +.4, +.4
    assert (random.better.value, random.same.value, random.worse.value) == (0.0, 0.75, 0.25)
    assert (value.better.value, value.same.value, value.worse.value) == (0.75, 0.25, 0.0)
    assert value.turns[0].better.n == 0 and value.turns[1].better.value == 0.75


def test_duels_are_paired() -> None:
    random, value = evaluate_agents({"random": RANDOM, "value:m": BETTER}, Yardstick(True, 0.3))
    duel = value.against["random"]
    assert duel.difference.value == pytest.approx(3.5)
    assert duel.difference.ci95 is not None and duel.difference.ci95[0] > 0
    # final differences .4, .2, .4, .4
    assert (duel.wins.value, duel.wins.n, duel.ties) == (1.0, 3, 1)
    assert random.against["value:m"].difference.value == pytest.approx(-3.5)
    assert value.gap_closed.n == 0, "without a ceiling there is no gap"


def test_whoever_asks_to_stop_waits_for_one_agent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    whole = agent._result

    def noted(name: str, *others: Any) -> agent.AgentResult:
        made.append(name)
        return whole(name, *others)

    monkeypatch.setattr(agent, "_result", noted)
    with pytest.raises(Cancelled):
        _measured({"random": RANDOM, "value:m": BETTER}, Yardstick(True, 0.3), lambda: True)
    assert made == ["random"]


def test_dense_scores_sum_the_turns() -> None:
    (found,) = evaluate_agents({"random": RANDOM}, Yardstick(False, 0.3))
    assert found.score.value == pytest.approx(10 * (0.1 + 0.7 + 0.8 + 0.2) / 4)


def test_other_trajectories_are_no_comparison() -> None:
    with pytest.raises(InvalidInput, match="others than those"):
        evaluate_agents(
            {"random": RANDOM, "writer": records([(0.0, 0.0)] * 4, first=9)}, Yardstick(True, 0.3)
        )
    with pytest.raises(InvalidInput, match="different lengths"):
        evaluate_agents({"random": records([(0.0,), (0.0, 0.1)])}, Yardstick(True, 0.3))


def test_the_table_says_its_n_and_every_pair_once() -> None:
    found = evaluate_agents({"random": RANDOM, "value:m": BETTER, "oracle": ORACLE}, Yardstick(True, 0.15))
    lines = list(table(found, 4, "sparse"))
    assert "4 paired trajectories (a first look" in lines[0]
    pairs = lines[lines.index(next(line for line in lines if "against" in line)) + 1 :]
    assert [line.split()[:2] for line in pairs] == [
        ["value:m", "random"],
        ["oracle", "random"],
        ["oracle", "value:m"],
    ]
    assert any("from random to oracle" in line for line in lines)


def test_the_table_fits_80_columns_whatever_the_paths_and_tells_each_turn() -> None:
    paths = [f"value:/a/long/path/to/the/models/of/this/study/{name}" for name in ("one", "two")]
    five = [(1.0, 1.2, 1.1, 1.1, 1.5)] * 4
    rows = {
        "random": records(five),
        paths[0]: records(five),
        paths[1]: records(five),
        f"taste:0.5+{paths[0]}": records(five),
    }
    lines = list(table(evaluate_agents(rows, Yardstick(False, 0.15)), 4, "dense"))
    assert lines[1:4] == [
        f"value A: {paths[0]}",
        f"value B: {paths[1]}",
        f"taste+value C: taste:0.5+{paths[0]}",
    ]
    assert max(map(len, lines[4:])) <= 80
    told = lines[lines.index("better/same/worse than the turn before, %") + 1]
    assert told.split() == ["random", "100/0/0", "0/100/0", "0/100/0", "100/0/0"]
