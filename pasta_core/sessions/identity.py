"""How a session is named, found by its name, and kept by one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import alone, make_directory

__all__ = ["LAST", "SessionLock", "match_id", "new_id", "new_rater"]

LAST = "last"
"""Stands for the session that was worked on last."""

# no vowels, so that no id is a word, and no letter that looks like a digit
_LETTERS = "bcdfghjkmnpqrstvwxz"


def new_id(now: datetime, draw: Callable[[int], int]) -> str:
    """A short readable id: the date and four letters; `draw(n)` gives a number below n."""
    return f"{now:%Y%m%d}-" + "".join(_LETTERS[draw(len(_LETTERS))] for _ in range(4))


def new_rater(draw: Callable[[int], int]) -> str:
    """A name for a person that says nothing about them; `draw(n)` gives a number below n."""
    return "rater-" + "".join(_LETTERS[draw(len(_LETTERS))] for _ in range(8))


def match_id(text: str, ids: Iterable[str]) -> str:
    """The one id that `text` names: whole, or by the beginning of its date or of its letters.

    Raises `InvalidInput` if no id or more than one matches.
    """
    known = list(ids)
    if text in known:
        return text
    matches = [one for one in known if text and (one.startswith(text) or _letters(one).startswith(text))]
    if not matches:
        raise InvalidInput(f"there is no session {text!r}", "'pasta sessions list' shows them")
    if len(matches) > 1:
        shown = ", ".join(sorted(matches)[:5]) + (", ..." if len(matches) > 5 else "")
        raise InvalidInput(f"{text!r} names {len(matches)} sessions", f"say which: {shown}")
    return matches[0]


def _letters(session: str) -> str:
    return session.partition("-")[2]


class SessionLock:
    """Keeps a session to one process; the operating system lets go of it however that process ends."""

    def __init__(self, session: str, directory: Path) -> None:
        """Take the lock. Raises `StorageError` if another process works on the session."""
        make_directory(directory)
        refusal = StorageError(f"session {session} is open in another process", "end that one first")
        self._held = ExitStack()
        self._held.enter_context(alone(directory / "lock", refusal))

    def release(self) -> None:
        """Let go of it; does nothing the second time."""
        self._held.close()
