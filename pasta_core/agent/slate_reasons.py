"""Why a slate shows what it shows: for each column what was expected of it, and to please or to learn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pasta_core.agent.judgement import Judgement
from pasta_core.domain import Candidate, Slate

__all__ = ["ColumnReason", "Intent", "SlateReasons", "reasons_for"]

Array = npt.NDArray[np.float64]

_DIGITS = 12
"""Where expectations are equal: selectors round as much, so that ties do not fall by rounding."""


class Intent(StrEnum):
    """What a column is shown for.

    `PLEASE`: a slate of the greatest sum of expected utilities, at most one prompt per category, holds it.
    `LEARN`: none does; exploring put it before what expectation alone would have shown. `CHANCE`: equally
    much was expected of all, or nothing was. `WRITTEN`: the writer wrote just this slate. `WISH`: the person
    asked for it.
    """

    PLEASE = "to please"
    LEARN = "to learn"
    CHANCE = "by chance"
    WRITTEN = "as written"
    WISH = "as you wished"


@dataclass(frozen=True)
class ColumnReason:
    """One column: what was expected of it, and how it stands among all n candidates of the turn.

    `utility` and `spread` are the mean and the standard deviation of what is believed, in nats of Eq. 4's
    choice; `value` is the value model's. The rest is about what the slate was chosen by. Ranks count from 1,
    and equal candidates share the best: `rank` by what was expected, `drawn_rank` by that and what exploring
    added (None where that leaves all equal), `category_rank` by what was expected among the `category_size`
    of its category. `behind` is by how
    much less was expected of it than of `instead`, which expectation alone would have shown: the best of its
    category, or, if it is that itself, the least of the best categories that are not shown.
    """

    candidate: Candidate
    intent: Intent | None = None
    utility: float | None = None
    spread: float | None = None
    value: float | None = None
    rank: int | None = None
    drawn_rank: int | None = None
    category_rank: int | None = None
    category_size: int = 0
    behind: float = 0.0
    instead: Candidate | None = None


@dataclass(frozen=True)
class SlateReasons:
    """Why one slate was shown.

    `selector` chose from `candidates` prompts; `picks` is how many choices utilities rest on. It is not
    `current` where the judgement does not give the slate's values any more, as the taste was changed since:
    utilities are those of today, and nobody can say what a column was shown for. Of a `blind` one neither
    prompts nor categories may be named.
    """

    turn: int
    selector: str
    candidates: int
    picks: int
    columns: tuple[ColumnReason, ...]
    current: bool = True
    blind: bool = False


def reasons_for(
    turn: int,
    selector: str,
    judged: Judgement | None,
    candidates: Sequence[Candidate],
    slate: Slate,
    groups: Sequence[Sequence[int]],
    *,
    opinion: Judgement | None = None,
    without: Intent | None = None,
    wished: Collection[int] = (),
) -> SlateReasons:
    """Explain a slate, given what its selector made of the candidates, if anything.

    `groups` are the candidates of which at most one each is shown. `opinion` is what a taste makes of them
    that the selector did not ask, `without` the intent of one that judges nothing; `wished` are the columns
    that the person asked for.
    """
    current = judged is None or _gives(judged, slate, wished)
    known = opinion or judged
    columns = []
    for column, index in enumerate(slate.indices):
        reason = ColumnReason(candidates[index], without)
        if judged is not None:
            reason = _ranked(index, judged, candidates, slate, groups)
        if column in wished:
            reason = replace(reason, intent=Intent.WISH)
        elif not current:
            reason = replace(reason, intent=None)
        columns.append(_told(reason, index, judged, opinion))
    return SlateReasons(
        turn, selector, len(candidates), 0 if known is None else known.picks, tuple(columns), current
    )


def _told(
    reason: ColumnReason, index: int, judged: Judgement | None, opinion: Judgement | None
) -> ColumnReason:
    """The reason with what is believed and what the value model says."""
    values = None if judged is None else judged.values
    believed = opinion or (judged if judged is not None and judged.spread is not None else None)
    return replace(
        reason,
        value=None if values is None else float(values[index]),
        utility=None if believed is None else float(believed.expected[index]),
        spread=None if believed is None or believed.spread is None else float(believed.spread[index]),
    )


def _gives(judged: Judgement, slate: Slate, wished: Collection[int]) -> bool:
    """Whether the judgement predicts just the values that went with the slate."""
    if slate.values is None:
        return True
    shown = [column for column in range(len(slate.indices)) if column not in wished]
    then = np.array([slate.values[column] for column in shown])
    now = judged.expected[[slate.indices[column] for column in shown]]
    return bool(np.allclose(then, now, rtol=1e-6, atol=1e-6))


def _ranked(
    index: int,
    judged: Judgement,
    candidates: Sequence[Candidate],
    slate: Slate,
    groups: Sequence[Sequence[int]],
) -> ColumnReason:
    """What a candidate was shown for, by its places among all and in its category."""
    expected = np.round(judged.expected, _DIGITS)
    group = next((list(group) for group in groups if index in group), [index])
    best = sorted((max(it, key=lambda place: expected[place]) for it in groups), key=lambda it: -expected[it])
    wanted = best[: len(slate.indices)]
    pleases = expected[index] == expected[group].max() and expected[index] >= expected[wanted[-1]]
    instead = None if pleases else _instead(index, group, expected, wanted, slate, groups)
    equal = bool(np.ptp(expected) == 0)
    return ColumnReason(
        candidate=candidates[index],
        intent=Intent.CHANCE if equal else Intent.PLEASE if pleases else Intent.LEARN,
        rank=_rank(expected, index),
        drawn_rank=_drawn_rank(judged.drawn, index),
        category_rank=_rank(expected[group], group.index(index)),
        category_size=len(group),
        behind=0.0 if instead is None else float(expected[instead] - expected[index]),
        instead=None if instead is None else candidates[instead],
    )


def _instead(
    index: int,
    group: Sequence[int],
    expected: Array,
    wanted: Sequence[int],
    slate: Slate,
    groups: Sequence[Sequence[int]],
) -> int | None:
    """What expectation alone would have shown: the best of the category, or the least of another one."""
    best = max(group, key=lambda place: expected[place])
    if expected[best] > expected[index]:
        return best
    shown = [it for it in groups if any(place in slate.indices for place in it)]
    left = [place for place in wanted if not any(place in it for it in shown)]
    return left[-1] if left else None


def _drawn_rank(drawn: Array | None, place: int) -> int | None:
    if drawn is None:
        return None
    rounded = np.round(drawn, _DIGITS)
    return None if np.ptp(rounded) == 0 else _rank(rounded, place)


def _rank(utilities: Array, place: int) -> int:
    """1 and one more for each that is better."""
    return 1 + int((utilities > utilities[place]).sum())
