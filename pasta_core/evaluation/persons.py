"""What selectors are worth to persons who come back (issue "Taste" §4): by turn, by session, and over all.

Persons, prompts and noise are the same under every selector, so that everything here is paired. Sessions of
one person resemble each other: all intervals are 95 % percentile bootstraps over persons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pasta_core.errors import InvalidInput
from pasta_core.evaluation.agent import CEILINGS, FLOOR
from pasta_core.evaluation.metric import NOTHING, Metric, clustered_mean, gap_closed, gap_regained
from pasta_core.evaluation.persons_store import PersonRecord, TurnOfPerson

__all__ = ["Foresight", "PersonsResult", "PersonsYardstick", "Rivalry", "SessionResult", "evaluate_persons"]

Array = npt.NDArray[np.float64]

_NATS = "taste"
"""How the names of selectors begin whose values are utilities in nats, which say how likely a choice is."""
_LEAST = 1e-300
_JUST_BEFORE = 2
"""Sessions before a change that those since are held against: in the first ones a taste knows nothing yet."""

_Chances = Callable[[TurnOfPerson], Array]


@dataclass(frozen=True)
class PersonsYardstick:
    """`sparse` pays a session's last turn, dense all of them; `drift` is the session a taste changed at."""

    sparse: bool
    drift: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Foresight:
    """How well picks were foreseen: the mean log chance of what was chosen, in nats, and how often it was the
    likeliest column.

    `said` is the mean chance that the likeliest was given: calibrated chances say how often it is chosen.
    """

    log_likelihood: Metric
    accuracy: Metric
    said: Metric


@dataclass(frozen=True)
class SessionResult:
    """One session (from 1) over persons: its score, how much of the gap it closes, and its turns.

    `turns` are mean rewards of chosen columns, `over_floor` what they have more than `random` and
    `turn_gaps` the gap they close; `gain` is what the score has more than that of `random`. `foresight` is
    that of a taste that follows along, on painted columns.
    """

    session: int
    score: Metric
    gap_closed: Metric
    turns: tuple[Metric, ...]
    over_floor: tuple[Metric, ...]
    turn_gaps: tuple[Metric, ...]
    gain: Metric
    foresight: Foresight


@dataclass(frozen=True)
class Rivalry:
    """A selector against another, over all sessions: the difference of scores, and that as a share of the gap
    from `random` to the ceiling."""

    difference: Metric
    of_gap: Metric


@dataclass(frozen=True)
class PersonsResult:
    """One selector, over all sessions and by session.

    `foresight` is that of a taste that follows along, on painted columns; `foreseen` that of the selector's
    own values of the prompts, before anything was painted, where they say how likely a choice is. `regained`
    is, for each session since a taste changed, its `gap_closed` as a share of that of the two sessions just
    before (of the one, if there is no other), when the taste that now is outdated was at its best.
    """

    selector: str
    score: Metric
    gap_closed: Metric
    ceiling: str | None
    turns: tuple[Metric, ...]
    sessions: tuple[SessionResult, ...]
    foresight: Foresight
    foreseen: Foresight
    against: Mapping[str, Rivalry]
    regained: tuple[Metric, ...] = ()

    @property
    def persons(self) -> int:
        """How many persons it was measured on."""
        return self.score.n // len(self.sessions)


def evaluate_persons(
    records: Mapping[str, Sequence[PersonRecord]], yardstick: PersonsYardstick
) -> tuple[PersonsResult, ...]:
    """Measure selectors, in the order of `records`; `InvalidInput` where persons are not paired."""
    tables = {name: _Table(name, tuple(rows), yardstick) for name, rows in records.items()}
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if table.cases != first.cases:
            raise InvalidInput(
                f"the persons of {name} are others than those of the first selector",
                "evaluate all of them with the same users, prompts and seed",
            )
    ceiling = next((name for name in CEILINGS if name in tables), None)
    measure = _Measure(tables, ceiling, yardstick)
    return tuple(measure.result(name) for name in tables)


class _Foreseen(NamedTuple):
    """Of every pick (P, n): its log chance, whether it was the likeliest, and the chance of the likeliest."""

    logs: Array
    hits: Array
    said: Array


@dataclass(frozen=True, eq=False)
class _Table:
    """One selector's persons as arrays of P persons, S sessions and H turns."""

    name: str
    records: tuple[PersonRecord, ...]
    yardstick: PersonsYardstick

    @cached_property
    def cases(self) -> list[tuple[int, str, str, int]]:
        return [(one.person, s.user, s.prompt, s.seed) for one in self.records for s in one.sessions]

    @cached_property
    def rewards(self) -> Array:
        """(P, S, H)."""
        rows = [[[turn.reward for turn in s.turns] for s in one.sessions] for one in self.records]
        if len({(len(one.sessions), len(s.turns)) for one in self.records for s in one.sessions}) != 1:
            raise InvalidInput(f"the sessions of {self.name} are of different lengths", "simulate them again")
        return np.array(rows, np.float64)

    @cached_property
    def scores(self) -> Array:
        """(P, S): the last turn's reward, or the sum of all."""
        return np.asarray(self.rewards[..., -1] if self.yardstick.sparse else self.rewards.sum(-1))

    def followed(self, session: slice) -> _Foreseen:
        """What a taste that follows along foresaw in these sessions."""
        return self._foreseen(session, lambda turn: np.array(turn.chances))

    def told(self, session: slice) -> _Foreseen | None:
        """What the selector's own values foresaw, None where they are no utilities."""
        turns = [turn for one in self.records for s in one.sessions for turn in s.turns]
        if not self.name.startswith(_NATS) or any(turn.values is None for turn in turns):
            return None
        return self._foreseen(session, lambda turn: _softmax(np.array(turn.values)))

    def _foreseen(self, session: slice, chances: _Chances) -> _Foreseen:
        logs, hits, said = [], [], []
        for one in self.records:
            told = [(chances(turn), turn.chosen) for s in one.sessions[session] for turn in s.turns]
            logs.append([np.log(max(row[chosen], _LEAST)) for row, chosen in told])
            hits.append([_hit(row, chosen) for row, chosen in told])
            said.append([row.max() for row, _ in told])
        return _Foreseen(*(np.array(rows, np.float64) for rows in (logs, hits, said)))


@dataclass(frozen=True)
class _Measure:
    tables: Mapping[str, _Table]
    ceiling: str | None
    yardstick: PersonsYardstick

    def result(self, name: str) -> PersonsResult:
        table = self.tables[name]
        whole = slice(None)
        told = table.told(whole)
        sessions = tuple(self._session(table, place) for place in range(table.scores.shape[1]))
        chance = 1 / max(len(table.records[0].sessions[0].turns[0].prompts), 1)
        return PersonsResult(
            selector=name,
            score=self._mean(table.scores),
            gap_closed=self._gap(table.scores, whole),
            ceiling=self.ceiling,
            turns=tuple(self._mean(table.rewards[..., turn]) for turn in range(table.rewards.shape[2])),
            sessions=sessions,
            foresight=self._foresight(table.followed(whole), chance),
            foreseen=Foresight(NOTHING, NOTHING, NOTHING) if told is None else self._foresight(told, chance),
            against={
                other: self._rivalry(table, rival) for other, rival in self.tables.items() if other != name
            },
            regained=self._regained(table),
        )

    def _session(self, table: _Table, place: int) -> SessionResult:
        only = slice(place, place + 1)
        turns = range(table.rewards.shape[2])
        chance = 1 / max(len(table.records[0].sessions[place].turns[0].prompts), 1)
        floor = self.tables.get(FLOOR, table)
        over = tuple(
            self._mean(table.rewards[:, only, turn] - floor.rewards[:, only, turn]) for turn in turns
        )
        gain = self._mean(table.scores[:, only] - floor.scores[:, only])
        return SessionResult(
            session=place + 1,
            score=self._mean(table.scores[:, only]),
            gap_closed=self._gap(table.scores[:, only], only),
            turns=tuple(self._mean(table.rewards[:, only, turn]) for turn in turns),
            over_floor=() if floor is table else over,
            turn_gaps=tuple(self._gap_at(table, only, turn) for turn in turns),
            gain=NOTHING if floor is table else gain,
            foresight=self._foresight(table.followed(only), chance),
        )

    def _rivalry(self, mine: _Table, other: _Table) -> Rivalry:
        difference = mine.scores - other.scores
        of_gap = NOTHING
        if FLOOR in self.tables and self.ceiling is not None:
            of_gap = self._gap(difference + self.tables[FLOOR].scores, slice(None))
        return Rivalry(self._mean(difference), of_gap)

    def _regained(self, table: _Table) -> tuple[Metric, ...]:
        drift = self.yardstick.drift
        if drift is None:
            return ()
        places = range(drift - 1, table.scores.shape[1])
        if FLOOR not in self.tables or self.ceiling is None:
            return (NOTHING,) * len(places)
        all_three = np.stack(
            [one.scores for one in (table, self.tables[FLOOR], self.tables[self.ceiling])], axis=-1
        )
        before = all_three[:, max(drift - 1 - _JUST_BEFORE, 0) : drift - 1].mean(1)
        return tuple(gap_regained(all_three[:, place], before, self.yardstick.seed) for place in places)

    def _gap(self, scores: Array, sessions: slice) -> Metric:
        """gap_closed of scores (P, n) of these sessions."""
        return self._share(scores, lambda one: one.scores[:, sessions])

    def _gap_at(self, table: _Table, sessions: slice, turn: int) -> Metric:
        """gap_closed of the rewards of one turn of these sessions."""
        return self._share(table.rewards[:, sessions, turn], lambda one: one.rewards[:, sessions, turn])

    def _share(self, values: Array, of: Callable[[_Table], Array]) -> Metric:
        """What values (P, n) close of the gap between what the floor and the ceiling have of the same."""
        if FLOOR not in self.tables or self.ceiling is None:
            return NOTHING
        floor, top = (of(self.tables[name]).ravel() for name in (FLOOR, self.ceiling))
        return gap_closed(values.ravel(), floor, top, _persons(values), self.yardstick.seed)

    def _foresight(self, foreseen: _Foreseen, chance: float) -> Foresight:
        return Foresight(
            self._mean(foreseen.logs, np.log(chance)),
            self._mean(foreseen.hits, chance),
            self._mean(foreseen.said, chance),
        )

    def _mean(self, values: Array, chance: float = 0.0) -> Metric:
        """The mean of values (P, n) over persons and whatever each has n of."""
        return clustered_mean(
            values.ravel(), _persons(values), np.full(values.size, chance), self.yardstick.seed
        )


def _persons(values: Array) -> list[int]:
    return [int(person) for person in np.repeat(np.arange(len(values)), values.size // max(len(values), 1))]


def _softmax(utilities: Array) -> Array:
    weights = np.exp(utilities - utilities.max())
    return np.asarray(weights / weights.sum())


def _hit(chances: Array, chosen: int) -> float:
    """Whether the likeliest column was chosen; a share where several are equally likely."""
    best = np.flatnonzero(np.isclose(chances, chances.max(), rtol=1e-9))
    return float(chosen in best) / len(best)
