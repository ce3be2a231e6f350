"""Tastes on the command line: listed, made, used, copied, merged and forgotten."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput
from pasta_core.files import write_atomically
from pasta_core.sessions.store import Store
from pasta_core.text import counted
from pasta_core.users.taste_files import read_taste, taste_bytes
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_report import ENOUGH
from pasta_core.users.taste_shelf import TasteShelf, check_name
from pasta_tui.console.output import Output
from pasta_tui.plain.files import usable_file
from pasta_tui.terminal.capabilities import can_answer

__all__ = [
    "create",
    "described",
    "export",
    "half_life_days",
    "import_file",
    "list_all",
    "merge",
    "open_shelf",
    "reset",
    "rests_on",
    "set_strength",
    "use",
]

_NEVER = "never"


def open_shelf() -> TasteShelf:
    """The tastes of the data directory that the settings name."""
    return TasteShelf(configure({}, os.environ, Path.cwd()).paths.data)


def rests_on(picks: int, sessions: int) -> str:
    """What a taste rests on, and that it is little while it is."""
    if not picks:
        return "it knows nothing yet"
    told = f"{counted(picks, 'pick')} in {counted(sessions, 'session')}"
    return told if picks >= ENOUGH else f"{told}, a first impression: {ENOUGH} picks make a taste"


def list_all(as_json: bool) -> None:
    """Print one line per taste, or one JSON document."""
    out, shelf = Output(os.environ, as_json), open_shelf()
    rows = [described(shelf, name) for name in shelf.names()]
    if as_json:
        out.document({"tastes": rows})
        return
    for facts in rows:
        mark = "*" if facts["in_use"] else " "
        told = facts["problem"] or rests_on(facts["picks"], facts["sessions"])
        out.data(f"{mark} {facts['taste']:16} {told}")


def use(name: str, as_json: bool) -> None:
    """Put a taste in use."""
    shelf = open_shelf()
    shelf.use(name)
    _done(Output(os.environ, as_json), shelf, name, "in use from the next session on")


def create(name: str, half_life: str | None, as_json: bool) -> None:
    """Begin an empty taste."""
    shelf = open_shelf()
    record = TasteRecord()
    if half_life is not None:
        record = replace(record, half_life_days=half_life_days(half_life))
    if check_name(name) == shelf.in_use and not shelf.path(name).exists():
        shelf.update(name, lambda empty: record)
    else:
        shelf.create(name, record)
    _done(Output(os.environ, as_json), shelf, name, f"put it in use: pasta taste use {name}")


def export(name: str | None, out_file: Path | None, as_json: bool) -> None:
    """Copy a taste into a file and print its path."""
    out, shelf = Output(os.environ, as_json), open_shelf()
    name = name or shelf.in_use
    data = taste_bytes(shelf.read(name))
    file = usable_file(out_file or Path(f"{name}.taste.json"))
    write_atomically(file, data)
    if as_json:
        out.document({**described(shelf, name), "path": str(file)})
    out.data(str(file))


def import_file(file: Path, name: str | None, as_json: bool) -> None:
    """Keep what a file holds under a name that is free; anything else stays as it is."""
    shelf = open_shelf()
    file = file.expanduser()
    if not file.is_file():
        what = f"{file} is a folder" if file.is_dir() else f"there is no file {file}"
        raise InvalidInput(what, "name a file of 'pasta taste export'")
    name = name or file.name.partition(".")[0].lower()
    record = read_taste(file)
    shelf.create(name, record)
    _done(Output(os.environ, as_json), shelf, name, f"put it in use: pasta taste use {name}")


def merge(names: Sequence[str], into: str | None, as_json: bool) -> None:
    """Add the picks of some tastes to one."""
    shelf = open_shelf()
    target = into or shelf.in_use
    others = [shelf.read(name) for name in names]
    if target in names:
        same = f"{target} into {target}: that is the same taste"
        missing = f"{target} is the taste in use, and --into is missing"
        raise InvalidInput(same if into else missing, "say which other one grows: --into NAME")

    def joined(record: TasteRecord) -> TasteRecord:
        for other in others:
            record = record.union(other)
        return record

    shelf.update(target, joined)
    _done(Output(os.environ, as_json), shelf, target, f"with the picks of {', '.join(names)}")


def reset(name: str | None, yes: bool, as_json: bool) -> None:
    """Forget all picks of a taste, unless `yes` after a question; no session so far is learned from again."""
    out, shelf = Output(os.environ, as_json), open_shelf()
    name = name or shelf.in_use
    if not shelf.has(name):
        shelf.read(name)
    if not yes and not can_answer():
        raise InvalidInput(
            "a reset asks first, and there is no terminal to ask in", "'--yes' forgets without asking"
        )
    if not yes:
        out.ask(f"Forget everything that the taste {name} has learned, for good? [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            out.message("nothing was forgotten")
            return
    data = configure({}, os.environ, Path.cwd()).paths.data
    if (data / "sessions.sqlite3").is_file():
        with Store(data) as store:
            # unlinked first: a session that is being played adds nothing to what is emptied then
            for info in store.sessions():
                if info.made_of.taste == name:
                    store.leave_taste(info.id)
    shelf.reset(name)
    _done(out, shelf, name, "")


def set_strength(value: float | None, half_life: str | None, as_json: bool) -> None:
    """Say how much past sessions count under the taste in use, or set it."""
    out, shelf = Output(os.environ, as_json), open_shelf()
    name = shelf.in_use
    changes: dict[str, Any] = {} if value is None else {"strength": value}
    if half_life is not None:
        changes["half_life_days"] = half_life_days(half_life)
    if changes:
        shelf.update(name, lambda record: replace(record, **changes))
    record = shelf.read(name)
    if as_json:
        out.document(described(shelf, name))
        return
    life = _NEVER if record.half_life_days is None else f"after {record.half_life_days:g} days"
    out.data(f"{record.strength:g}")
    out.message(f"{name}: strength {record.strength:g}, a pick counts half {life}")


def _done(out: Output, shelf: TasteShelf, name: str, told: str) -> None:
    facts = described(shelf, name)
    if out.as_json:
        out.document(facts)
    out.data(name)
    out.message("; ".join(part for part in (rests_on(facts["picks"], facts["sessions"]), told) if part))


def described(shelf: TasteShelf, name: str) -> dict[str, Any]:
    """One taste for JSON; a damaged one says so and hides nothing else."""
    try:
        record, problem = shelf.read(name), None
    except InvalidInput as error:
        record, problem = TasteRecord(), error.message
    times = [pick.when for pick in record.picks]
    return {
        "taste": name,
        "in_use": name == shelf.in_use,
        "picks": len(record.picks),
        "sessions": len(record.sessions),
        "last": max(times).isoformat() if times else None,
        "strength": record.strength,
        "half_life_days": record.half_life_days,
        "clip": record.clip or None,
        "path": str(shelf.path(name)),
        "problem": problem,
    }


def half_life_days(text: str) -> float | None:
    """A half-life as it is typed: a number of days, or `never`; `InvalidInput`."""
    if text == _NEVER:
        return None
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= 36500:
        raise InvalidInput(f"a half-life of {text!r} means nothing", f"write a number of days, or {_NEVER!r}")
    return days
