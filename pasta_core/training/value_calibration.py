"""Measuring what a value model's f says of utilities beside a taste, on simulated users who know theirs.

`agent.second_opinion` has the model. Of slates of simulated users the utilities u = g + (what pictures add)
are known, and what the taste believed before the pick, m and K. By the model, within slates and given m,

    Cov[f, u] = slope * k,    Var[f] = slope^2 * k + deviation^2,    E[f] = (slope + shared) * m

and these moments are what is measured: m's part of f is taken out by least squares, and what is left is set
against u. What pictures add is in no covariance with f, so it biases nothing. Utilities are first brought to
nats: by the one factor under which the users' own choices are likeliest (Eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pasta_core.agent.second_opinion import ValueCalibration, combined, doubt_within
from pasta_core.agent.taste_learner import Opinion, TasteLearner
from pasta_core.agent.valuer import Valuer, asked
from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord
from pasta_core.domain import History, Image, Turn
from pasta_core.errors import InvalidInput

__all__ = ["FEWEST", "Agreement", "CalibratedValue", "HeardSlate", "calibrate", "hear"]

Array = npt.NDArray[np.float64]

FEWEST = 100
"""Slates from which three numbers can be told."""
_STEPS = 100
_TINY = 1e-12
_LEAST = 0.01
"""The least share of f's variance that is its error."""
_BLANK = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class HeardSlate:
    """One slate: what was thought of all n candidates, and what is known of the L that were shown.

    `utilities` (L,) are the user's own, `values` (n,) are f, `shown` (L,) the candidates' places.
    """

    trajectory: int
    turn: int
    opinion: Opinion
    values: Array
    shown: tuple[int, ...]
    utilities: Array
    chosen: int


@dataclass(frozen=True)
class Agreement:
    """Correlation within slates with the users' utilities: of the taste, of f, and of both combined."""

    taste: float
    value: float
    both: float


@dataclass(frozen=True)
class CalibratedValue:
    """A calibration and what it was made of.

    `nats` is how many nats a unit of the users' utilities is. `doubt` is the squared error of the taste's
    expectations within slates, pictures included, over what it says of it: 1 if it knows how sure it is.
    `agreement` is measured on halves of the trajectories with the calibration of the other half, `by_turn`
    likewise.
    """

    calibration: ValueCalibration
    nats: float
    doubt: float
    slates: int
    agreement: Agreement
    by_turn: tuple[Agreement, ...]


async def hear(
    records: Iterable[TrajectoryRecord],
    learner: TasteLearner,
    valuer: Valuer,
    report: Callable[[int], None] = lambda done: None,
) -> list[HeardSlate]:
    """Ask taste and value model about every turn of trajectories whose images carry embeddings.

    Each trajectory's taste begins anew. `InvalidInput` where utilities or embeddings are missing; `report`
    gets how many trajectories are done.
    """
    found: list[HeardSlate] = []
    for number, record in enumerate(records):
        found += await _heard(number, record, learner, valuer)
        report(number + 1)
    return found


async def _heard(
    number: int, record: TrajectoryRecord, learner: TasteLearner, valuer: Valuer
) -> list[HeardSlate]:
    found = []
    history = History(record.initial_prompt, _images(record.initial_images))
    for told in record.turns:
        if told.utilities is None:
            raise InvalidInput(
                "the trajectories do not say what users thought", "take what 'pasta simulate' wrote"
            )
        opinion = await learner.opinion(history, told.candidates)
        values = np.array(await asked(valuer, history, told.candidates), np.float64)
        utilities = np.array(told.utilities, np.float64)
        found.append(
            HeardSlate(
                number, told.number, opinion, values, told.slate.indices, utilities, told.choice.column
            )
        )
        columns = tuple(map(_images, told.columns))
        history = history.extended(Turn(told.number, told.candidates, told.slate, columns, told.choice))
    return found


def calibrate(slates: Sequence[HeardSlate], fewest: int = FEWEST) -> CalibratedValue:
    """Fit the three numbers; `InvalidInput` where there are fewer slates than `fewest`."""
    if len(slates) < fewest:
        raise InvalidInput(
            f"the data holds {len(slates)} slates, {fewest} are needed", "'pasta simulate' makes more"
        )
    nats = _nats(slates)
    known = [replace(slate, utilities=nats * slate.utilities) for slate in slates]
    halves = [[slate for slate in known if slate.trajectory % 2 == half] for half in (0, 1)]
    judged = [_judged(half, _fitted(other)) for half, other in (halves, halves[::-1])]
    tested = [row for half in judged for row in half]
    turns = sorted({slate.turn for slate in known})
    return CalibratedValue(
        calibration=_fitted(known),
        nats=nats,
        doubt=_doubt(known),
        slates=len(known),
        agreement=_agreement(tested),
        by_turn=tuple(_agreement([row for row in tested if row.turn == turn]) for turn in turns),
    )


def _fitted(slates: Sequence[HeardSlate]) -> ValueCalibration:
    """Match the moments of all columns that were shown."""
    told = np.concatenate([_centred(slate.values[list(slate.shown)]) for slate in slates])
    expected = np.concatenate([_centred(_expected(slate)) for slate in slates])
    true = np.concatenate([_centred(slate.utilities) for slate in slates])
    columns = np.array([len(slate.shown) - 1 for slate in slates], np.float64)
    doubts = np.array([doubt_within(_of_taste(slate)) for slate in slates])
    freedom, doubt = float(columns.sum()), float(columns @ doubts)
    along = float(told @ expected / max(expected @ expected, _TINY))
    left = told - along * expected
    spread = float(left @ left)
    slope = float(left @ true) / doubt if doubt > _TINY else 0.0
    # sampling may leave less than nothing
    noise = max(spread - slope**2 * doubt, _LEAST * spread) / freedom
    return ValueCalibration(slope, along - slope, float(np.sqrt(noise)))


def _nats(slates: Sequence[HeardSlate]) -> float:
    """The factor b of utilities under which choices by softmax(b u) are likeliest, by Newton's method."""
    factor = 1.0
    for _ in range(_STEPS):
        slope = curve = 0.0
        for slate in slates:
            logits = factor * slate.utilities
            chances = np.exp(logits - logits.max())
            chances /= chances.sum()
            mean = chances @ slate.utilities
            slope += slate.utilities[slate.chosen] - mean
            curve += chances @ (slate.utilities - mean) ** 2
        if curve <= 0:
            break
        step = float(np.clip(slope / curve, -1.0, 1.0))
        factor += step
        if abs(step) < 1e-9:
            break
    if not factor > 0:
        raise InvalidInput("the users' choices have nothing to do with their utilities", "check the data")
    return factor


def _doubt(slates: Sequence[HeardSlate]) -> float:
    wrong = said = 0.0
    for slate in slates:
        of_taste = _of_taste(slate)
        variances = slate.opinion.worth.deviations[list(slate.shown)] ** 2
        whole = of_taste + np.diag(variances - np.diag(of_taste))
        wrong += float((_centred(slate.utilities - _expected(slate)) ** 2).sum())
        said += doubt_within(whole) * (len(slate.shown) - 1)
    return wrong / max(said, _TINY)


@dataclass(frozen=True, eq=False)
class _Tested:
    """Centred figures of one slate: the users' utilities, and three opinions of them, each (L,)."""

    turn: int
    utilities: Array
    taste: Array
    value: Array
    both: Array


def _judged(slates: Sequence[HeardSlate], calibration: ValueCalibration) -> list[_Tested]:
    found = []
    for slate in slates:
        places, opinion = list(slate.shown), slate.opinion
        both = combined(opinion.belief, opinion.means, opinion.worth, slate.values, calibration)
        found.append(
            _Tested(
                slate.turn,
                _centred(slate.utilities),
                _centred(_expected(slate)),
                _centred(slate.values[places]),
                _centred(both.means[places]),
            )
        )
    return found


def _agreement(tested: Sequence[_Tested]) -> Agreement:
    true = np.concatenate([row.utilities for row in tested])
    told = (np.concatenate([getattr(row, name) for row in tested]) for name in ("taste", "value", "both"))
    return Agreement(*(_correlation(true, one) for one in told))


def _correlation(first: Array, second: Array) -> float:
    lengths = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float(first @ second) / lengths if lengths > 0 else 0.0


def _expected(slate: HeardSlate) -> Array:
    return np.asarray(slate.opinion.worth.means[list(slate.shown)])


def _of_taste(slate: HeardSlate) -> Array:
    """K of the shown columns (L, L)."""
    features = slate.opinion.means[list(slate.shown)]
    return np.asarray(features @ slate.opinion.belief.covariance @ features.T)


def _centred(values: Array) -> Array:
    return np.asarray(values - values.mean())


def _images(records: Sequence[ImageRecord]) -> tuple[Image, ...]:
    return tuple(Image(record.seed, _BLANK, record.embedding) for record in records)
