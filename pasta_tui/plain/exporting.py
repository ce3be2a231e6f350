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
from pasta_core.text import counted
from pasta_tui.console.output import Output
from pasta_tui.plain.files import usable_file
from pasta_tui.plain.records import open_store

__all__ = ["export"]

_DEFAULT = Path("sessions.parquet")
_STUDY = Path("study.parquet")


def export(
    names: Sequence[str],
    path: Path | None,
    with_images: bool,
    sheet: Path | None,
    turn: int | None,
    as_json: bool,
    study: bool = False,
) -> None:
    """Write sessions to a Parquet file, one session to a contact sheet, or both, and print the paths.

    Without a path and a sheet, all sessions go into `sessions.parquet`. With `study` only those whose rater
    has answered all questions are written, by default into `study.parquet`.
    """
    out = Output(os.environ, as_json)
    if turn is not None and sheet is None:
        raise InvalidInput("--turn says what a contact sheet shows", "name one too: --sheet turn.png")
    default = _STUDY if study else _DEFAULT
    table = None if path is None and sheet is not None else usable_file(path or default)
    picture = None if sheet is None else _sheet_file(sheet)
    if picture is not None and len(names) > 1:
        raise InvalidInput("a contact sheet shows one session", "name one, or none for the last one")
    with open_store() as store:
        sessions = [store.find(name) for name in names]
        chosen: Sequence[SessionInfo] = ()
        if table is not None:
            chosen = _rated(store, sessions, out) if study else _picked(store, sessions)
        drawn = None if picture is None else _write_sheet(store, picture, sessions, turn)
        exported = None if table is None else _export(store, table, chosen, with_images, out)
    if as_json:
        out.document({**(exported or {}), **({} if drawn is None else {"sheet": str(drawn)})})
    for written in (exported and exported["path"], drawn):
        if written is not None:
            out.data(str(written))


def _export(
    store: Store, path: Path, sessions: Sequence[SessionInfo], with_images: bool, out: Output
) -> dict[str, Any]:
    from pasta_core.sessions.export import export_sessions

    exported = export_sessions(store, sessions, path, with_images)
    if not out.as_json:
        out.message(f"{counted(exported.trajectories, 'session')} with {counted(exported.turns, 'turn')}")
        if exported.lost_images:
            out.note(f"{exported.lost_images} images are missing or damaged and were left out")
    return {
        "path": str(exported.path),
        "trajectories": exported.trajectories,
        "turns": exported.turns,
        "lost_images": exported.lost_images,
    }


def _picked(store: Store, named: Sequence[SessionInfo]) -> Sequence[SessionInfo]:
    """The named sessions, or all; refused where nothing was chosen in any of them."""
    sessions = named or store.sessions()
    if not sessions:
        raise InvalidInput("there is no session to export", "begin one: pasta session")
    if not any(turn.choice or turn.refused for info in sessions for turn in store.turns(info.id)):
        one = f"session {sessions[0].id}" if len(sessions) == 1 else "any session"
        raise InvalidInput(
            f"there is nothing to export: nothing was chosen in {one} yet",
            f"go on with {'it' if len(sessions) == 1 else 'one'}: pasta session --resume {sessions[0].id}",
        )
    return sessions


def _rated(store: Store, named: Sequence[SessionInfo], out: Output) -> list[SessionInfo]:
    """The studies whose questions are answered, oldest first; one that was named and is none is refused."""
    for info in named:
        if info.rated_at is None:
            what = (
                "its questions are not answered yet" if info.made_of.study else "it was not begun as a study"
            )
            raise InvalidInput(f"session {info.id} is no rated study: {what}", "leave it or --study out")
    studies = [info for info in named or store.sessions() if info.made_of.study]
    rated = sorted((info for info in studies if info.rated_at is not None), key=lambda info: info.created_at)
    if not rated:
        begun = f"answer the questions: pasta session --resume {studies[0].id}" if studies else ""
        raise InvalidInput("there is no rated study", begun or "begin one: pasta session --study")
    if len(rated) < len(studies):
        out.note(f"{len(studies) - len(rated)} studies are left out: their questions are not all answered")
    return rated


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
    return usable_file(path)
