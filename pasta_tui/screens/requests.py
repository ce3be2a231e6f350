"""What a screen hands back to the app that showed it: what the person wants next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["EndRequest", "Next", "StartRequest"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Begin a session with `prompt`, or go on with the session `resume`: exactly one of them is given.

    `prompt` is clean and short enough; `profile` names the set of models that it begins with; the `first`
    session of a program takes what was typed for one only, its seed.
    """

    prompt: str | None = None
    resume: str | None = None
    profile: str | None = None
    first: bool = False


class Next(StrEnum):
    """What follows a finished session."""

    AGAIN = "again"
    """A session that begins with `EndRequest.prompt`."""
    NEW = "new"
    """The start screen."""
    RESUME = "resume"
    """The session `EndRequest.resume`, which was found while browsing."""
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class EndRequest:
    """What the person wants after the last turn; `prompt` is clean and short enough."""

    next: Next
    prompt: str | None = None
    resume: str | None = None
