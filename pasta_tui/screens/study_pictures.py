"""The turns of a study that was played, as its questions show them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pasta_core.sessions.records import SessionInfo, StoredTurn
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.questions import Topic
from pasta_tui.archive import turn_views, with_images
from pasta_tui.session_state import Column, SessionView
from pasta_tui.widgets.fit import Place

__all__ = ["StudyPictures"]


class StudyPictures:
    """Every turn's columns; no more than two turns have their images in memory."""

    def __init__(self, info: SessionInfo, turns: tuple[StoredTurn, ...]) -> None:
        self._last = info.made_of.settings.turns
        self._stored: Mapping[int, StoredTurn] = {turn.number: turn for turn in turns}
        self._views = {view.shown: view for view in turn_views(info, turns)}

    def turn(self, evaluation: Evaluation) -> int:
        """The turn whose pictures are shown: the question's, at the end the last one."""
        return self._last if evaluation.question is None else evaluation.question.turn

    def chosen(self, turn: int) -> int:
        """The column that was taken."""
        return self._views[turn].chosen or 0

    def preferred(self, evaluation: Evaluation, turn: int) -> int:
        """The column that was called the best since, or else the one that was taken."""
        preferred = evaluation.preferred(turn)
        return self.chosen(turn) if preferred is None else preferred

    def shown(self, evaluation: Evaluation) -> tuple[SessionView, Place]:
        """The turn's columns, or for a comparison the preferred columns of both turns, and one of them."""
        question, turn = evaluation.question, self.turn(evaluation)
        if question is not None and question.topic is Topic.COMPARISON:
            pair = tuple(
                _called(self._views[number].columns[column], f"turn {number}, column {column + 1}")
                for number in (turn - 1, turn)
                for column in (self.preferred(evaluation, number),)
            )
            return replace(self._views[turn], columns=pair, chosen=None, blind=True), Place(1)
        view, chosen = self._views[turn], self.chosen(turn)
        asked = None if question is None else question.column
        columns = tuple(
            _called(column, _name(number, chosen, asked)) for number, column in enumerate(view.columns)
        )
        place = Place(self.preferred(evaluation, turn) if asked is None else asked)
        return replace(view, columns=columns, blind=True), place

    def unread(self, turn: int) -> Sequence[int]:
        """Forget the images of all turns but this one and the one before; what of these is to be read."""
        near = (turn, turn - 1)
        for number, view in self._views.items():
            if number not in near and view.painted:
                self._views[number] = _emptied(view)
        return [number for number in near if number in self._views and not self._views[number].painted]

    async def read(self, turn: int) -> None:
        """Read a turn's images."""
        self._views[turn] = await asyncio.to_thread(with_images, self._views[turn], self._stored[turn])


def _name(number: int, chosen: int, asked: int | None) -> str:
    taken = " ✓ taken" if number == chosen else ""
    return f"{number + 1}{taken}{'  ← this one' if number == asked else ''}"


def _called(column: Column, name: str) -> Column:
    return replace(column, category=name, prompt="")


def _emptied(view: SessionView) -> SessionView:
    nothing = (None,) * view.settings.images
    return replace(view, columns=tuple(replace(c, images=nothing, paths=nothing) for c in view.columns))
