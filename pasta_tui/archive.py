"""Past sessions for the screens that look through them: every method is slow, and made for a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pasta_core.domain import Image
from pasta_core.events import CandidatesReady, Chosen, ImageReady, PaintingProgress, SlateChosen
from pasta_core.sessions.images import read_image
from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.sessions.search import SessionFilter
from pasta_core.sessions.sheet import stored_sheet_turns, write_sheet
from pasta_core.sessions.store import Store
from pasta_tui.session_state import SessionView, advance

__all__ = ["Archive", "Preview", "turn_views", "with_images"]


@dataclass(frozen=True, eq=False)
class Preview:
    """What a session has come to: the latest chosen prompt ("" if none is) and its column's images."""

    prompt: str
    images: tuple[Image | None, ...]
    turns: tuple[StoredTurn, ...]


@dataclass(frozen=True)
class Archive:
    """The sessions below one data directory; its methods raise `PastaError`."""

    data: Path

    def sessions(self, wanted: SessionFilter) -> tuple[SessionInfo, ...]:
        """What matches, the latest first."""
        with Store(self.data) as store:
            return store.sessions(wanted)

    def preview(self, session: str) -> Preview:
        """The images of the column that was chosen last, or of the initial prompt."""
        turns = self.turns(session)
        chosen = [turn for turn in turns if turn.choice is not None and turn.slate is not None]
        if chosen and (last := chosen[-1]).choice is not None and last.slate is not None:
            column = last.choice.column
            prompt = last.candidates[last.slate.indices[column]].prompt
            return Preview(prompt, _column(last, column), turns)
        return Preview("", _column(turns[0], 0) if turns else (), turns)

    def turns(self, session: str) -> tuple[StoredTurn, ...]:
        """The turns on the session's path, without their images."""
        with Store(self.data) as store:
            return store.turns(session)

    def store(self) -> Store:
        """The store itself, for changes that may have to wait: it gives up when another thread closes it."""
        return Store(self.data)

    def sheet(self, info: SessionInfo, folder: Path) -> Path:
        """Draw a whole session as a contact sheet in `folder`; returns its file."""
        path = folder / f"{info.id}-sheet.png"
        made_of = info.made_of
        rows = stored_sheet_turns(made_of.prompt, self.turns(info.id))
        write_sheet(path, rows, title=made_of.prompt, blind=made_of.blind)
        return path

    def directory(self, session: str) -> Path:
        """Where a session's images lie."""
        with Store(self.data) as store:
            return store.directory(session)


def turn_views(info: SessionInfo, turns: Sequence[StoredTurn]) -> tuple[SessionView, ...]:
    """One view for each turn that has something to show, as it stood once it was chosen; without images."""
    made_of = info.made_of
    view = SessionView(made_of.prompt, made_of.settings, made_of.blind, info.id)
    views: list[SessionView] = []
    for turn in turns:
        if turn.slate is not None:
            view = advance(view, CandidatesReady(turn.number, turn.candidates))
            view = advance(view, SlateChosen(turn.number, turn.slate))
        elif turn.number == 0 and turn.images:
            view = advance(view, PaintingProgress(turn.number, 0, len(turn.images)))
        else:
            continue
        if turn.choice is not None:
            view = advance(view, Chosen(turn.number, turn.choice))
        views.append(view)
    return tuple(views)


def with_images(view: SessionView, turn: StoredTurn) -> SessionView:
    """The view of a turn with its images read from their files; lost ones stay empty."""
    for (column, index), stored in sorted(turn.images.items()):
        image = read_image(stored)
        if image is not None:
            view = advance(view, ImageReady(turn.number, column, index, image, stored.path))
    return view


def _column(turn: StoredTurn, column: int) -> tuple[Image | None, ...]:
    return tuple(read_image(stored) for (at, _), stored in sorted(turn.images.items()) if at == column)
