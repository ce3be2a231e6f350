"""Past sessions in which slates were refused: they are looked through, drawn and found like any other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.domain import Answer, History, NoneOfThese, Turn
from pasta_core.errors import Cancelled
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.search import SessionFilter
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.sheet import stored_sheet_turns
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.archive import Archive, turn_views, with_images
from tests.support.rollouts import BrightnessUser, FussyUser, small_services

NEW = NewSession("a red train", 5, "micro", "drawn", settings=SessionSettings(turns=3, columns=3, images=2))


class Refusing(BrightnessUser):
    """Chooses once, refuses once, and leaves with the refusal as the last thing that was said."""

    async def choose(self, history: History, turn: Turn) -> Answer:
        if turn.number == 1:
            return await super().choose(history, turn)
        return NoneOfThese()


class Gone:
    """A writer that is there for the first slates alone."""

    def __init__(self) -> None:
        self._writer = small_services().writer
        self._calls = 0

    async def write(self, *arguments: object) -> object:
        self._calls += 1
        if self._calls > 2:
            raise Cancelled("enough")
        return await self._writer.write(*arguments)  # type: ignore[arg-type]


def test_a_session_that_ends_with_a_refusal_can_be_looked_through(tmp_path: Path) -> None:
    services = replace(small_services(), user=Refusing(), writer=Gone())  # type: ignore[arg-type]
    with Store(tmp_path) as store, begin_session(store, NEW) as session:
        with pytest.raises(Cancelled):
            asyncio.run(session.run(services, lambda event: None))
        info = store.get(session.id)
    archive = Archive(tmp_path)
    turns = archive.turns(info.id)
    assert [(turn.number, len(turn.refused), turn.slate is None) for turn in turns] == [
        *((0, 0, True), (1, 0, False), (2, 1, True)),
    ]
    views = turn_views(info, turns)
    assert [view.shown for view in views] == [0, 1]
    assert with_images(views[1], turns[1]).painted == 6
    preview = archive.preview(info.id)
    assert preview.prompt and len(preview.images) == 2
    assert [row.number for row in stored_sheet_turns("a red train", turns)] == [0, 1]
    assert archive.sessions(SessionFilter())[0].turns_chosen == 1


def test_a_swapped_column_is_looked_through_as_it_was_chosen_from(tmp_path: Path) -> None:
    services = replace(small_services(), user=FussyUser())
    with Store(tmp_path) as store, begin_session(store, NEW) as session:
        history = asyncio.run(session.run(services, lambda event: None))
        info = store.get(session.id)
    archive = Archive(tmp_path)
    turns = archive.turns(info.id)
    last, turn = turn_views(info, turns)[-1], history.turns[-1]
    assert [column.prompt for column in last.columns] == [it.prompt for it in turn.shown]
    shown = with_images(last, turns[-1])
    assert [[image.sha256 for image in column.images if image] for column in shown.columns] == [
        [image.sha256 for image in column] for column in turn.columns
    ]
    assert turn.chosen is not None
    assert archive.preview(info.id).prompt == turn.chosen.prompt
    assert archive.sessions(SessionFilter(turn.chosen.prompt.split()[-1]))[0].id == info.id
