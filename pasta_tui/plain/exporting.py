"""What leaves the session store for a file: trajectories, and contact sheets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput
from pasta_core.sessions.identity import LAST
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.store import Store
from pasta_tui.cli._output import Output
from pasta_tui.plain.records import open_store

__all__ = ["export"]

_DEFAULT = Path("sessions.parquet")


def export(
    names: Sequence[str],
    path: Path | None,
    with_images: bool,
    sheet: Path | None,
    turn: int | None,
    as_json: bool,
) -> None:
    """Write sessions to a Parquet file, one session to a contact sheet, or both, and print the paths.

    Without a path and a sheet, all sessions go into `sessions.parquet`.
    """
    out = Output(os.environ, as_json)
    if turn is not None and sheet is None:
        raise InvalidInput("--turn says what a contact sheet shows", "name one too: --sheet turn.png")
    table = None if path is None and sheet is not None else _file(path or _DEFAULT)
    picture = None if sheet is None else _sheet_file(sheet)
    if picture is not None and len(names) > 1:
        raise InvalidInput("a contact sheet shows one session", "name one, or none for the last one")
    with open_store() as store:
        sessions = [store.find(name) for name in names]
        drawn = None if picture is None else _write_sheet(store, picture, sessions, turn)
        exported = None if table is None else _export(store, table, sessions, with_images, out)
    if as_json:
        out.document({**(exported or {}), **({} if drawn is None else {"sheet": str(drawn)})})
    for written in (exported and exported["path"], drawn):
        if written is not None:
            out.data(str(written))


def _export(
    store: Store, path: Path, named: Sequence[SessionInfo], with_images: bool, out: Output
) -> dict[str, Any]:
    from pasta_core.sessions.export import export_sessions

    exported = export_sessions(store, named or store.sessions(), path, with_images)
    if not out.as_json:
        out.message(f"{exported.trajectories} sessions with {exported.turns} turns")
        if exported.lost_images:
            out.note(f"{exported.lost_images} images are missing or damaged and were left out")
    return {
        "path": str(exported.path),
        "trajectories": exported.trajectories,
        "turns": exported.turns,
        "lost_images": exported.lost_images,
    }


def _write_sheet(store: Store, path: Path, named: Sequence[SessionInfo], turn: int | None) -> Path:
    from pasta_core.sessions.sheet import stored_sheet_turns, write_sheet

    info = named[0] if named else store.find(LAST)
    turns = [it for it in store.turns(info.id) if it.images and turn in (None, it.number)]
    if not turns:
        which = "no turn" if turn is None else f"no turn {turn}"
        raise InvalidInput(f"session {info.id} has painted {which}", f"see: pasta sessions show {info.id}")
    made_of = info.made_of
    write_sheet(path, stored_sheet_turns(made_of.prompt, turns), title=made_of.prompt, blind=made_of.blind)
    return path


def _sheet_file(path: Path) -> Path:
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"{path} does not end in .png", "a contact sheet is a PNG: --sheet sheet.png")
    return _file(path)


def _file(path: Path) -> Path:
    target = path.expanduser().absolute()
    if target.is_dir():
        raise InvalidInput(f"{target} is a directory", f"name a file: {target / path.name}")
    return target
