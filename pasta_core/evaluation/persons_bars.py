"""The bars of the closed loop (issue "Taste" §4): what a taste must be worth to persons who come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pasta_core.agent.selector_names import COMBINED, TASTE, SelectorName
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.persons import PersonsResult

__all__ = ["MARGIN", "Bar", "bars"]

MARGIN = 0.05
"""Not inferior is who is worse by less than this share of the gap, with the whole interval."""

_ORACLE = "oracle"
"""The only ceiling that bars are defined by."""
_TURN = 5
_SESSION = 10
_WITHIN = 3
"""Sessions within which a taste that changed is to be learned anew."""
_ALONE, _TOGETHER, _BACK = 0.5, 0.6, 0.8
"""Shares of the gap that taste and taste+value are to close, and of what was closed before a change."""


@dataclass(frozen=True)
class Bar:
    """One bar of one selector: what is measured, what is asked of it, and what was found.

    `what` and `session` and `turn` (from 1) say what; `rival` whom it is held against. With `surely` the
    whole interval must lie above `least`, else the value must reach it. All but rewards over `random` are
    shares of the gap to the oracle.
    """

    selector: str
    what: str
    least: float
    found: Metric
    surely: bool = False
    session: int | None = None
    turn: int | None = None
    rival: str | None = None

    @property
    def met(self) -> bool | None:
        """None where there is nothing to tell by, such as no oracle."""
        if self.found.value is None or self.found.ci95 is None:
            return None
        return self.found.ci95[0] > self.least if self.surely else self.found.value >= self.least


def bars(results: Sequence[PersonsResult], drift: int | None = None) -> tuple[Bar, ...]:
    """All bars of these selectors, in their order; where turns or sessions are fewer, the last counts.

    `drift` must be that of the results' yardstick.
    """
    return tuple(bar for result in results for bar in _of(result, results, drift))


def _of(result: PersonsResult, results: Sequence[PersonsResult], drift: int | None) -> Iterator[Bar]:
    kind, name = _kind(result.selector), result.selector
    if kind not in (TASTE, COMBINED):
        return
    first, late = result.sessions[0], result.sessions[:_SESSION][-1]
    turn = min(_TURN, len(first.turns))
    yield Bar(name, "turn", -MARGIN, _shared(result, first.turn_gaps[0]), True, 1, 1, "random")
    if kind == TASTE:
        over = first.over_floor[turn - 1] if first.over_floor else NOTHING
        yield Bar(name, "over random", 0.0, over, True, 1, turn, "random")
    if drift is not None:
        # what is asked of all sessions and of the last is asked of a taste that stays
        place = min(_WITHIN, len(result.regained)) - 1
        yield Bar(name, "regained", _BACK, _shared(result, result.regained[place]), session=drift + place)
        return
    parts = [one for one in results if _kind(one.selector) in (TASTE, "value")]
    if kind == COMBINED and parts:
        better = max(parts, key=lambda one: one.score.value or 0.0).selector
        yield Bar(name, "pooled", -MARGIN, _shared(result, result.against[better].of_gap), True, rival=better)
    asked = _ALONE if kind == TASTE else _TOGETHER
    yield Bar(name, "gap closed", asked, _shared(result, late.gap_closed), session=late.session)


def _shared(result: PersonsResult, share: Metric) -> Metric:
    return share if result.ceiling == _ORACLE else NOTHING


def _kind(selector: str) -> str:
    try:
        return SelectorName.parse(selector).kind
    except InvalidInput:
        return selector
