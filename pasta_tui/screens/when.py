"""Times as people say them."""

from __future__ import annotations

from datetime import datetime

__all__ = ["ago"]

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_MOST_DAYS = 30
"""Days after which a date says more than an age."""


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was: "just now", "3 minutes ago", at last the date; both times have a zone."""
    seconds = (now - then).total_seconds()
    if seconds >= (_MOST_DAYS + 1) * 86_400:
        return f"{then.astimezone(now.tzinfo):%Y-%m-%d}"
    for unit, length in _UNITS:
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
