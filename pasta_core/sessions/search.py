"""Which past sessions are looked for: by text, by date, by star."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from pasta_core.errors import InvalidInput

__all__ = ["EVERYTHING", "SessionFilter", "filter_clause", "parse_since", "parse_until"]


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Sessions hold every word of `text`, were worked on in [since, until), and are starred if that is asked.

    A word counts wherever it stands in the initial prompt, a chosen prompt or a critique, in any case, and so
    do four or more characters that the id or its letters begin with. Times have a time zone.
    """

    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    starred: bool = False


EVERYTHING = SessionFilter()
"""Leaves nothing out."""

_TEXT = """
    casefold(sessions.prompt || ' ' || coalesce((
        SELECT group_concat(candidates.prompt || ' ' || choices.critique, ' ')
        FROM turns JOIN choices ON choices.turn_id = turns.id
        JOIN slates ON slates.turn_id = turns.id AND slates.column = choices.column
        JOIN candidates ON candidates.turn_id = turns.id AND candidates.position = slates.position
        WHERE turns.session_id = sessions.id
    ), ''))
"""

_ID = "(length(?) >= 4 AND (instr(sessions.id, ?) = 1 OR instr(sessions.id, '-' || ?) > 0))"


def filter_clause(wanted: SessionFilter) -> tuple[str, list[str]]:
    """The filter as an SQL condition on `sessions` and its parameters; needs an SQL function `casefold`."""
    conditions, parameters = ["1"], []
    for word in wanted.text.casefold().split():
        conditions.append(f"(instr({_TEXT}, ?) > 0 OR {_ID})")
        parameters.extend([word] * 4)
    for bound, comparison in ((wanted.since, ">="), (wanted.until, "<")):
        if bound is not None:
            conditions.append(f"sessions.updated_at {comparison} ?")
            parameters.append(bound.astimezone(UTC).isoformat(timespec="microseconds"))
    if wanted.starred:
        conditions.append("sessions.starred = 1")
    return " AND ".join(conditions), parameters


_AGO = re.compile(r"(\d{1,5})\s*([hdwmy])")
_UNITS: Mapping[str, timedelta] = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "m": timedelta(days=30),
    "y": timedelta(days=365),
}
_DAYS: Mapping[str, int] = {"today": 0, "yesterday": 1}


def parse_since(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """When something begins: a date (2026-11-20), `today`, `yesterday`, or an age (12h, 7d, 2w, 3m, 1y).

    A date begins at its midnight in `zone`, by default this machine's. Raises `InvalidInput`.
    """
    return _parsed(text, now, zone, lambda midnight: midnight)


def parse_until(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """When something ends, as in `parse_since`; a date ends with its day."""
    return _parsed(text, now, zone, lambda midnight: midnight + timedelta(days=1))


def _parsed(
    text: str, now: datetime, zone: tzinfo | None, of_day: Callable[[datetime], datetime]
) -> datetime:
    word = text.strip().lower()
    try:
        if ago := _AGO.fullmatch(word):
            return now - int(ago[1]) * _UNITS[ago[2]]
        if word in _DAYS:
            day = (now.astimezone(zone) - timedelta(days=_DAYS[word])).date()
        else:
            day = datetime.strptime(word, "%Y-%m-%d").date()
        midnight = of_day(datetime(day.year, day.month, day.day))
        return midnight.astimezone() if zone is None else midnight.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text!r} is no date", "write 2026-11-20, today, yesterday, 12h, 7d, 2w, 3m or 1y"
        ) from error
