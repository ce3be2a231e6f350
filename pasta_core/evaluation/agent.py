"""What agents are worth to users (§6.4, App. F): the same trajectories with one selector after another.

Trajectories of two selectors with one number share user, prompt and seeds, so that everything here is paired.
All intervals are 95 % percentile bootstraps over trajectories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import Comparison
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.metric import NOTHING, Metric, clustered_mean, gap_closed

__all__ = [
    "CEILINGS",
    "FLOOR",
    "AgentResult",
    "Duel",
    "TurnResult",
    "Yardstick",
    "agent_results",
    "evaluate_agents",
]

Array = npt.NDArray[np.float64]

FLOOR = "random"
"""The selector at which `gap_closed` is 0."""
CEILINGS = ("oracle", "greedy-belief")
"""The selector at which it is 1: the first of these that was run."""


@dataclass(frozen=True)
class Yardstick:
    """How rewards and utilities become numbers: `sparse` pays the last turn, dense all of them.

    Utilities of two turns that differ by less than `same` are the same to the user.
    """

    sparse: bool
    same: float
    seed: int = 0


@dataclass(frozen=True)
class TurnResult:
    """One turn (from 1), over trajectories: the mean reward of the chosen column, what was predicted, Fig. 5.

    `predicted` is the mean value of the shown prompts, None without a value model; shares are None in turn 1.
    """

    turn: int
    value: Metric
    predicted: float | None
    better: Metric
    same: Metric
    worse: Metric


@dataclass(frozen=True)
class Duel:
    """A selector against another on the same trajectories.

    `difference` is that of their scores. `wins` is the share of trajectories whose final images are
    preferred, of those that are no tie; `ties` how many are one.
    """

    difference: Metric
    wins: Metric
    ties: int


@dataclass(frozen=True)
class AgentResult:
    """One selector: its mean score, how much of the gap it closes, Fig. 5 over all turns, and its duels."""

    selector: str
    score: Metric
    deviation: float
    gap_closed: Metric
    ceiling: str | None
    better: Metric
    same: Metric
    worse: Metric
    turns: tuple[TurnResult, ...]
    against: Mapping[str, Duel]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of a selector (docs/json.md)."""
        return {
            "selector": self.selector,
            "mean": self.score.value,
            "ci95": _ends(self.score),
            "deviation": self.deviation,
            "n": self.score.n,
            "gap_closed": self.gap_closed.value,
            "gap_closed_ci95": _ends(self.gap_closed),
            "ceiling": self.ceiling,
            "better": self.better.value,
            "same": self.same.value,
            "worse": self.worse.value,
            "better_ci95": _ends(self.better),
            "same_ci95": _ends(self.same),
            "worse_ci95": _ends(self.worse),
            "turns": [_turn_json(turn) for turn in self.turns],
            "against": {name: _duel_json(duel) for name, duel in self.against.items()},
        }


def _turn_json(turn: TurnResult) -> dict[str, Any]:
    return {
        "turn": turn.turn,
        "value": turn.value.value,
        "ci95": _ends(turn.value),
        "predicted": turn.predicted,
        "better": turn.better.value,
        "same": turn.same.value,
        "worse": turn.worse.value,
    }


def _duel_json(duel: Duel) -> dict[str, Any]:
    return {
        "difference": duel.difference.value,
        "ci95": _ends(duel.difference),
        "wins": duel.wins.value,
        "wins_ci95": _ends(duel.wins),
        "ties": duel.ties,
    }


def _ends(metric: Metric) -> list[float] | None:
    return None if metric.ci95 is None else list(metric.ci95)


def evaluate_agents(
    records: Mapping[str, Sequence[TrajectoryRecord]], yardstick: Yardstick
) -> tuple[AgentResult, ...]:
    """Measure selectors, in the order of `records`; `InvalidInput` where trajectories are not paired."""
    return tuple(agent_results(records, yardstick))


def agent_results(
    records: Mapping[str, Sequence[TrajectoryRecord]], yardstick: Yardstick
) -> Iterator[AgentResult]:
    """The same one after another: their intervals take time, and whoever takes no more has no more made."""
    tables = {name: _Table.of(name, rows) for name, rows in records.items()}
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if table.cases != first.cases:
            raise InvalidInput(
                f"the trajectories of {name} are others than those of the first selector",
                "evaluate all of them with the same users, prompts and seed",
            )
    ceiling = next((name for name in CEILINGS if name in tables), None)
    for name in tables:
        yield _result(name, tables, ceiling, yardstick)


@dataclass(frozen=True)
class _Table:
    """Rewards and utilities of the chosen columns, (n, H), and the mean value of each slate where known."""

    cases: tuple[tuple[str, str, int], ...]
    rewards: Array
    utilities: Array
    predicted: Array

    @classmethod
    def of(cls, name: str, records: Sequence[TrajectoryRecord]) -> _Table:
        turns = {len(record.turns) for record in records}
        known = all(turn.reward is not None and turn.utilities for one in records for turn in one.turns)
        if len(turns) != 1 or not known:
            raise InvalidInput(
                f"the trajectories of {name} are of different lengths or lack rewards",
                "take what 'pasta simulate' wrote",
            )
        return cls(
            tuple((one.user, one.initial_prompt, one.seed) for one in records),
            np.array([[turn.reward for turn in one.turns] for one in records], np.float64),
            np.array([[(turn.utilities or ())[turn.choice.column] for turn in one.turns] for one in records]),
            np.array(
                [
                    [np.mean(turn.slate.values) if turn.slate.values else np.nan for turn in one.turns]
                    for one in records
                ]
            ),
        )

    def scores(self, sparse: bool) -> Array:
        """(n,): the last turn's reward, or the sum of all."""
        return self.rewards[:, -1] if sparse else self.rewards.sum(1)


def _result(
    name: str, tables: Mapping[str, _Table], ceiling: str | None, yardstick: Yardstick
) -> AgentResult:
    table = tables[name]
    scores = table.scores(yardstick.sparse)
    clusters = range(len(scores))
    gap = NOTHING
    if FLOOR in tables and ceiling is not None:
        floor, top = (tables[one].scores(yardstick.sparse) for one in (FLOOR, ceiling))
        gap = gap_closed(scores, floor, top, clusters, yardstick.seed)
    shares = _comparisons(table, yardstick, slice(None))
    return AgentResult(
        selector=name,
        score=_mean(scores, yardstick),
        deviation=float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
        gap_closed=gap,
        ceiling=ceiling,
        better=shares[Comparison.BETTER],
        same=shares[Comparison.SAME],
        worse=shares[Comparison.WORSE],
        turns=tuple(_turn(table, turn, yardstick) for turn in range(table.rewards.shape[1])),
        against={other: _duel(table, rival, yardstick) for other, rival in tables.items() if other != name},
    )


def _turn(table: _Table, turn: int, yardstick: Yardstick) -> TurnResult:
    shares = (
        _comparisons(table, yardstick, slice(turn - 1, turn)) if turn else dict.fromkeys(Comparison, NOTHING)
    )
    predicted = table.predicted[:, turn]
    return TurnResult(
        turn + 1,
        _mean(table.rewards[:, turn], yardstick),
        None if np.isnan(predicted).any() else float(predicted.mean()),
        shares[Comparison.BETTER],
        shares[Comparison.SAME],
        shares[Comparison.WORSE],
    )


def _comparisons(table: _Table, yardstick: Yardstick, steps: slice) -> dict[Comparison, Metric]:
    """The shares of steps from one turn's chosen column to the next one's (Fig. 5)."""
    change = np.diff(table.utilities, axis=1)[:, steps]
    if not change.size:
        return dict.fromkeys(Comparison, NOTHING)
    clusters = np.repeat(np.arange(len(change)), change.shape[1]).tolist()
    found = {
        Comparison.BETTER: change >= yardstick.same,
        Comparison.SAME: np.abs(change) < yardstick.same,
        Comparison.WORSE: change <= -yardstick.same,
    }
    third = np.full(change.size, 1 / 3)
    return {
        kind: clustered_mean(said.ravel(), clusters, third, yardstick.seed) for kind, said in found.items()
    }


def _duel(mine: _Table, other: _Table, yardstick: Yardstick) -> Duel:
    difference = mine.scores(yardstick.sparse) - other.scores(yardstick.sparse)
    final = mine.utilities[:, -1] - other.utilities[:, -1]
    decided = np.abs(final) >= yardstick.same
    wins = NOTHING
    if decided.any():
        places = np.flatnonzero(decided).tolist()
        half = np.full(len(places), 0.5)
        wins = clustered_mean(final[decided] > 0, places, half, yardstick.seed)
    return Duel(_mean(difference, yardstick), wins, int((~decided).sum()))


def _mean(values: Array, yardstick: Yardstick) -> Metric:
    return clustered_mean(values, range(len(values)), np.zeros(len(values)), yardstick.seed)
