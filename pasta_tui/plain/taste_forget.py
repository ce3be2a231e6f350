"""Forgetting a session: out of every taste that holds its picks, and of what is learned from."""

from __future__ import annotations

import os
from pathlib import Path

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.store import Store
from pasta_core.text import counted
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_shelf import TasteShelf
from pasta_tui.console.output import Output
from pasta_tui.plain.taste import described, open_shelf, rests_on

__all__ = ["forget"]


def forget(session: str | None, name: str | None, as_json: bool) -> None:
    """Take a session out of a taste, or of all that hold it, merged copies too; it is not learned from again.

    `InvalidInput` where it is in none of them, and where no session is named.
    """
    if session is None:
        everything = " ".join(("pasta taste reset", *([] if name is None else [name])))
        raise InvalidInput(
            "which session is to be forgotten is not said",
            f"name one: '--session last'; '{everything}' forgets all of a taste",
        )
    out, shelf = Output(os.environ, as_json), open_shelf()
    tastes = _tastes(shelf, name, out)
    with Store(configure({}, os.environ, Path.cwd()).paths.data) as store:
        found, info = _find(store, session, tastes)
        learned_by = None if info is None else info.made_of.taste
        linked = learned_by is not None and name in (None, learned_by)
        doomed = [one for one, record in tastes.items() if found in record.sessions or one == learned_by]
        if not doomed and not linked:
            what = "no taste holds" if name is None else f"the taste {name} does not hold"
            raise InvalidInput(f"{what} picks of session {found}", "'pasta taste list' shows the tastes")
        if linked:
            # unlinked first: the session may be being played, and adds nothing from then on
            store.leave_taste(found)
    gone = {one: _take_out(shelf, one, found) for one in doomed}
    if as_json:
        said = described(shelf, name or next(iter(gone), shelf.in_use))
        out.document({**said, "forgotten": sum(gone.values()), "session": found, "tastes": sorted(gone)})
    out.data(found)
    if not gone:
        out.message("no picks were kept; it is not learned from any more")
    for one, count in gone.items():
        record = shelf.read(one)
        left = rests_on(len(record.picks), len(record.sessions))
        out.message(f"{counted(count, 'pick')} forgotten; {one}: {left}")


def _tastes(shelf: TasteShelf, name: str | None, out: Output) -> dict[str, TasteRecord]:
    """The tastes to look through, the one in use first; of all of them, damaged ones are told of and left."""
    if name is not None:
        return {name: shelf.read(name)}
    found = {}
    for one in sorted(shelf.names(), key=lambda one: (one != shelf.in_use, one)):
        try:
            found[one] = shelf.read(one)
        except InvalidInput as error:
            out.note(f"the taste {one} was left as it is: {error.message}")
    return found


def _find(store: Store, text: str, tastes: dict[str, TasteRecord]) -> tuple[str, SessionInfo | None]:
    """The session that `text` names, also one that only the tastes still know, by its whole id."""
    known = {info.id: info for info in store.sessions()}
    held = {session for record in tastes.values() for session in record.sessions}
    if text in held and text not in known:
        return text, None
    info = store.find(text)
    return info.id, info


def _take_out(shelf: TasteShelf, name: str, session: str) -> int:
    """How many picks of a session the taste has lost; one that has no file stays without."""
    gone = 0

    def without(record: TasteRecord) -> TasteRecord:
        nonlocal gone
        left = record.without(session)
        gone = len(record.picks) - len(left.picks)
        return left

    shelf.update(name, without)
    return gone
