"""The two ways to say that a slate is not it: none of these, and another candidate in a column."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from pasta_core.domain import NoneOfThese
from pasta_core.sessions.store import Store
from pasta_tui.app import PastaApp
from pasta_tui.plain.request import Request
from pasta_tui.screens.others import OthersScreen
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.session_state import Stage
from tests.support.interface import (
    GatedPainter,
    SmallModels,
    asked,
    drive,
    ended,
    request_for,
    shown_text,
    small_app,
    turn_screen,
    until,
)


def view_of(app: PastaApp) -> Any:
    assert app.player is not None
    return app.player.view


async def proposed(app: PastaApp, pilot: Pilot[Any], turn: int, proposal: int) -> TurnScreen:
    """Wait for the question about one proposal of a turn."""

    def there() -> bool:
        view = None if app.player is None else app.player.view
        return view is not None and (view.stage, view.turn, view.proposal) == (Stage.ASKING, turn, proposal)

    await until(pilot, there)
    await pilot.pause()
    return turn_screen(app)


async def listed(app: PastaApp, pilot: Pilot[Any]) -> None:
    """Wait until the list of what is not shown is there."""
    await until(pilot, lambda: isinstance(app.screen, OthersScreen) and "in place of" in shown_text(app))


def test_none_of_these_proposes_the_turn_again(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        before = [column.prompt for column in view_of(app).columns]
        await pilot.press("3", "c", *"warmer", "enter", "0")
        await proposed(app, pilot, 1, 1)
        assert "turn 1 of 2, proposal 2" in shown_text(app)
        assert "takes column 1  saying “warmer”" in shown_text(app), (
            "the critique holds, the selection does not"
        )
        assert not set(before) & {column.prompt for column in view_of(app).columns}
        assert all(image is not None for column in view_of(app).columns for image in column.images)
        await pilot.press("z")
        await until(pilot, lambda: "column 1 of 3, image 1 of 2" in shown_text(app))
        assert "turn 1 of 2, proposal 2" in shown_text(app), "the zoom is of the same slate"
        await pilot.press("z", "0")
        await proposed(app, pilot, 1, 2)
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        assert "turn 2 of 2" in shown_text(app) and "proposal" not in shown_text(app)
        assert "saying" not in shown_text(app)
        await pilot.press("enter")
        await ended(app, pilot)

    drive(app, steps)
    with Store(tmp_path) as store:
        _, one, two = store.turns(app.finished[0].session)
    assert [it.refusal for it in one.refused] == [NoneOfThese("warmer"), NoneOfThese("warmer")]
    assert one.choice is not None and (one.choice.column, one.choice.critique) == (1, "warmer")
    assert two.refused == ()


def test_another_candidate_takes_the_place_of_a_column(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        before = view_of(app)
        await pilot.press("2", "a")
        await listed(app, pilot)
        assert "Not shown: which of these 22 for column 2?" in shown_text(app)
        assert f"in place of 2 [{before.columns[1].category}]" in shown_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert view_of(app) is before
        painter.permits = asyncio.Semaphore(1)
        await pilot.press("a")
        await listed(app, pilot)
        await pilot.press("down", "down", "3", "enter")
        await until(pilot, lambda: "painting 5/6" in shown_text(app))
        after = view_of(app)
        for kept in (0, 1):
            assert after.columns[kept].images == before.columns[kept].images
        assert after.columns[2].prompt == before.candidates[before.others[2]].prompt
        painter.permits = asyncio.Semaphore(100)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: view_of(app).stage in (Stage.STOPPED, Stage.ASKING))
        await pilot.press("r")
        await asked(app, pilot, 1)
        await until(pilot, lambda: view_of(app).painted == 6)
        assert view_of(app).columns[2].prompt == after.columns[2].prompt
        await pilot.press("3", "enter")
        await asked(app, pilot, 2)

    drive(app, steps)
    assert app.opened is not None
    with Store(tmp_path) as store:
        turn = store.turns(app.opened.session.id)[1]
    (swap,) = turn.swaps
    assert turn.selected is not None and turn.slate is not None and turn.choice is not None
    assert (swap.swap.column, swap.before) == (2, turn.selected.indices[2])
    assert turn.slate.indices[2] == swap.swap.candidate and turn.choice.column == 2


def test_a_resumed_session_shows_what_was_refused_no_more(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())
    shown: list[str] = []

    async def leave(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("c", *"warmer", "enter", "0")
        await proposed(app, pilot, 1, 1)
        await pilot.press("a")
        await listed(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TurnScreen))
        await until(pilot, lambda: view_of(app).stage is Stage.ASKING and view_of(app).painted == 6)
        shown.extend(column.prompt for column in view_of(app).columns)
        await pilot.press("ctrl+q")

    drive(app, leave)
    again = small_app(tmp_path, Request(resume="last"))

    async def go_on(pilot: Pilot[Any]) -> None:
        await proposed(again, pilot, 1, 1)
        await until(pilot, lambda: [column.prompt for column in view_of(again).columns] == shown)
        await pilot.pause()
        assert "saying “warmer”" in shown_text(again)
        assert view_of(again).painted == 6

    drive(again, go_on)


def test_what_breaks_the_rule_of_categories_says_so(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        view = view_of(app)
        category = view.columns[0].category
        at = next(n for n, it in enumerate(view.others) if view.candidates[it].category == category)
        await pilot.press("2", "a")
        await listed(app, pilot)
        await pilot.press(*["down"] * at)
        await pilot.pause()
        assert "columns 1 and 2 are then both of this category" in shown_text(app)
        await pilot.press("1")
        await pilot.pause()
        assert "of this category" not in shown_text(app)

    drive(app, steps)


@pytest.mark.parametrize("kind", ["blind", "rater", "study"])
def test_where_they_make_no_sense_the_keys_are_not_there(tmp_path: Path, kind: str) -> None:
    """A blind session lists no prompts; a rater chooses for itself; a study is the paper's protocol."""
    other: dict[str, Any] = {"rater": {"rater": "planted:0"}}.get(kind, {kind: True})
    # the first two images are the initial prompt's own
    painter = GatedPainter(permits=asyncio.Semaphore(3))
    models = SmallModels(painter=painter) if kind == "rater" else SmallModels()
    app = small_app(tmp_path, request_for(**other), models)

    async def steps(pilot: Pilot[Any]) -> None:
        if kind == "rater":
            await until(pilot, lambda: app.player is not None and view_of(app).painted > 0)
        else:
            await asked(app, pilot, 1)
        screen = app.screen
        keys = {binding for key, active in screen.active_bindings.items() if (binding := active.binding.id)}
        assert "turn.others" not in keys
        assert ("turn.none" in keys) == (kind == "blind")
        await pilot.press("a")
        assert not isinstance(app.screen, OthersScreen)

    drive(app, steps)


def test_the_others_look_as_they_did(tmp_path: Path, svg: SnapshotAssertion) -> None:
    app = small_app(tmp_path, request_for(columns=4, images=4, seed=7))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "a")
        await listed(app, pilot)
        await pilot.press("down", "down")
        await pilot.pause()
        assert app.export_screenshot() == svg

    drive(app, steps)
