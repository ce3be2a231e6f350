"""The line that narrows the list of past sessions: words, two dates, and how many are found."""

from __future__ import annotations

from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from pasta_core.sessions.search import SessionFilter, parse_since, parse_until
from pasta_core.text import clean

__all__ = ["FilterLine"]


class FilterLine(Horizontal):
    """Words and dates; `starred` leaves out all sessions without a star."""

    starred = False

    def compose(self) -> ComposeResult:
        """From left to right."""
        yield Input(placeholder="words", compact=True, id="text")
        yield Input(placeholder="since: 7d", compact=True, id="since")
        yield Input(placeholder="until: 2026-11-20", compact=True, id="until")
        yield Static(id="found", markup=False)

    @property
    def narrowed(self) -> bool:
        """Whether some sessions are left out."""
        return self.starred or any(field.value.strip() for field in self.query(Input))

    def wanted(self, now: datetime) -> SessionFilter:
        """What is looked for; `InvalidInput` for a date that is none."""
        text, since, until = (self.query_one(f"#{name}", Input).value for name in ("text", "since", "until"))
        return SessionFilter(
            text=clean(text).text,
            since=parse_since(since, now) if since.strip() else None,
            until=parse_until(until, now) if until.strip() else None,
            starred=self.starred,
        )

    def clear(self) -> None:
        """Leave nothing out."""
        self.starred = False
        for field in self.query(Input):
            field.value = ""

    def tell(self, found: int, most: int) -> None:
        """Say how many were found, of which `most` are listed."""
        star = "starred " if self.starred else ""
        count = f"the latest {most} of {found}" if found > most else f"{found}"
        said = f"{count} {star}{'session' if found == 1 else 'sessions'}"
        self.query_one("#found", Static).update(Content(said))
