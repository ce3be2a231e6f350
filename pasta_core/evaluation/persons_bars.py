"""The bars of the closed loop (issue "Taste" §4): what a taste must be worth to persons who come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pasta_core.agent.selector_names import COMBINED, TASTE, SelectorName
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.agent import CEILINGS, FLOOR
from pasta_core.evaluation.metric import NOTHING, Metric
from pasta_core.evaluation.persons import PersonsResult

__all__ = ["ENOUGH", "MARGIN", "Bar", "Unmeasured", "bars", "unmeasured"]

ENOUGH = (100, 10)
"""Persons, and sessions of each, from which a bar counts and a number is more than a first look."""

MARGIN = 0.05
"""Not inferior is who is worse by less than this share of the gap, with the whole interval."""

_ORACLE = "oracle"
"""The only ceiling that bars are defined by."""
_VALUE = "value"
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
    shares of the gap to the oracle. With `reasons` it is open: what was found is told, and judges nothing.
    """

    selector: str
    what: str
    least: float
    found: Metric
    surely: bool = False
    session: int | None = None
    turn: int | None = None
    rival: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def met(self) -> bool | None:
        """None where it is open."""
        if self.reasons or self.found.value is None or self.found.ci95 is None:
            return None
        return self.found.ci95[0] > self.least if self.surely else self.found.value >= self.least


@dataclass(frozen=True)
class Unmeasured:
    """Selectors that are not among those to be measured, though something is told beside them only.

    Without those of `gap` there is no gap, without those of `bars` it counts for no bar, and without `parts`
    nothing is said of `taste+value` beside its parts.
    """

    gap: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


def unmeasured(selectors: Sequence[str], drift: int | None = None) -> Unmeasured:
    """What is going to be missed where these are measured, `drift` as in `bars`."""
    named = [one for one in map(_named, selectors) if one is not None]
    floor = () if FLOOR in selectors else (FLOOR,)
    ceiling = () if any(one in selectors for one in CEILINGS) else (_ORACLE,)
    bars = (_ORACLE,) if any(one.learns for one in named) and _ORACLE not in selectors else ()
    there = {one.settled() for one in named}
    pooled = [one for one in named if one.kind == COMBINED and drift is None]
    parts = [str(part) for one in pooled for part in _parts(one) if part.settled() not in there]
    return Unmeasured(floor + ceiling, () if ceiling else bars, tuple(dict.fromkeys(parts)))


def bars(results: Sequence[PersonsResult], drift: int | None = None) -> tuple[Bar, ...]:
    """All bars of these selectors, in their order.

    They are judged from `ENOUGH` persons and sessions on, at the turn and session that they name: where there
    are fewer, the last is told. `drift` must be that of the results' yardstick.
    """
    return tuple(bar for result in results for bar in _of(result, results, drift))


def _of(result: PersonsResult, results: Sequence[PersonsResult], drift: int | None) -> Iterator[Bar]:
    parsed, name = _parsed(result.selector), result.selector
    if parsed is None or not parsed.learns:
        return
    few, first, late = _few(result), result.sessions[0], result.sessions[:_SESSION][-1]
    turn = min(_TURN, len(first.turns))
    gap, without = _shared(result, first.turn_gaps[0])
    yield Bar(name, "turn", -MARGIN, gap, True, 1, 1, FLOOR, few + without)
    if parsed.kind == TASTE:
        over = first.over_floor[turn - 1] if first.over_floor else NOTHING
        lacking = () if first.over_floor else (f"{FLOOR} was not measured",)
        why = few + _short_of(turn, _TURN, "turns") + lacking
        yield Bar(name, "over random", 0.0, over, True, 1, turn, FLOOR, why)
    if drift is not None:
        # what is asked of all sessions and of the last is asked of a taste that stays
        place = min(_WITHIN, len(result.regained)) - 1
        back, without = _shared(result, result.regained[place], "no gap was surely closed before the change")
        why = few + _short_of(place + 1, _WITHIN, "sessions since the change") + without
        yield Bar(name, "regained", _BACK, back, session=drift + place, reasons=why)
        return
    if parsed.kind == COMBINED:
        yield _pooled(result, parsed, results)
    asked = _ALONE if parsed.kind == TASTE else _TOGETHER
    closed, without = _shared(result, late.gap_closed)
    yield Bar(name, "gap closed", asked, closed, session=late.session, reasons=few + without)


def _pooled(result: PersonsResult, parsed: SelectorName, results: Sequence[PersonsResult]) -> Bar:
    """Against the better of its parts."""
    parts = _parts(parsed)
    measured = {_parsed(one.selector): one for one in reversed(results)}
    lacking = tuple(f"{part} was not measured" for part in parts if part not in measured)
    if lacking:
        return Bar(result.selector, "pooled", -MARGIN, NOTHING, True, reasons=_few(result) + lacking)
    better = max((measured[part] for part in parts), key=lambda one: one.score.value or 0.0).selector
    found, without = _shared(result, result.against[better].of_gap)
    return Bar(result.selector, "pooled", -MARGIN, found, True, rival=better, reasons=_few(result) + without)


def _parts(combined: SelectorName) -> tuple[SelectorName, SelectorName]:
    """The taste of its exploration, and the value model of its name."""
    return SelectorName(TASTE, exploration=combined.exploration), SelectorName(_VALUE, combined.model)


def _few(result: PersonsResult) -> tuple[str, ...]:
    """Why nothing is judged by so few."""
    persons, sessions = ENOUGH
    return _short_of(result.persons, persons, "persons") + _short_of(
        len(result.sessions), sessions, "sessions"
    )


def _short_of(there: int, enough: int, what: str) -> tuple[str, ...]:
    return () if there >= enough else (f"a first look: {there} of {enough} {what}",)


def _shared(
    result: PersonsResult, share: Metric, otherwise: str = "there is no gap to close"
) -> tuple[Metric, tuple[str, ...]]:
    """A share of the gap to the oracle, and why there is none."""
    if result.ceiling != _ORACLE or FLOOR not in result.against:
        return NOTHING, (f"without {FLOOR} and {_ORACLE} there is no gap",)
    return share, (() if share.value is not None else (otherwise,))


def _parsed(selector: str) -> SelectorName | None:
    """The name with its exploration said; None of what is no session's selector."""
    named = _named(selector)
    return None if named is None else named.settled()


def _named(selector: str) -> SelectorName | None:
    try:
        return SelectorName.parse(selector)
    except InvalidInput:
        return None
