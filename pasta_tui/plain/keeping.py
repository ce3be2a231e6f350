"""Sessions starred, unstarred and deleted on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pasta_core.errors import InvalidInput
from pasta_core.sessions.records import SessionInfo
from pasta_core.text import clean
from pasta_tui.console.output import Output
from pasta_tui.plain.records import open_store
from pasta_tui.terminal.capabilities import can_answer
from pasta_tui.terminal.text import clipped

__all__ = ["delete", "star"]


def star(names: Sequence[str], starred: bool, as_json: bool) -> None:
    """Star sessions, or take their stars away, and print their ids."""
    out = Output(os.environ, as_json)
    with open_store() as store:
        sessions = [store.find(name).id for name in names]
        for session in sessions:
            store.star(session, starred)
    _report(out, "starred" if starred else "unstarred", sessions)


def delete(names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Delete sessions and their images for good, unless `yes` after a question, and print their ids."""
    out = Output(os.environ, as_json)
    if not yes and not can_answer():
        raise InvalidInput(
            "deleting asks first, and there is no terminal to ask in", "'--yes' deletes without asking"
        )
    with open_store() as store:
        sessions = {info.id: info for info in (store.find(name) for name in names)}
        if not yes and not _agreed(list(sessions.values()), out):
            out.message("nothing was deleted")
            sessions = {}
        for session in sessions:
            store.delete(session)
    _report(out, "deleted", list(sessions))


def _agreed(sessions: Sequence[SessionInfo], out: Output) -> bool:
    for info in sessions:
        line = f"{info.id}{'*' if info.starred else ' '} {clean(info.made_of.prompt).text}"
        out.show([clipped(line, out.terminal.width)])
    what = "this session" if len(sessions) == 1 else f"these {len(sessions)} sessions"
    out.ask(f"Delete {what} with all images, for good? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _report(out: Output, what: str, sessions: Sequence[str]) -> None:
    if out.as_json:
        out.document({what: list(sessions)})
    for session in sessions:
        out.data(session)
