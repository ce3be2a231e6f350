"""What a screen hands back to the app that showed it: what the person wants next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BrowseRequest", "EndRequest", "Next", "StartRequest"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Begin a session with `prompt`, or go on with the session `resume`: exactly one of them is given.

    `profile` names the set of models to begin with; None is the one that the app was started with.
    """

    prompt: str | None = None
    resume: str | None = None
    profile: str | None = None


class Next(StrEnum):
    """What follows a finished session."""

    AGAIN = "again"
    """A session that begins with `EndRequest.prompt`."""
    NEW = "new"
    """The start screen."""
    BROWSE = "browse"
    """Past sessions."""
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class EndRequest:
    """What the person wants after the last turn; `prompt`, clean and short enough, is for AGAIN only."""

    next: Next
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class BrowseRequest:
    """The session that the person wants to go on with."""

    resume: str
