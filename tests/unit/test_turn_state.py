"""The interface's view of a session is a fold over its events, and its layout a function of a few numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.domain import Candidate, Choice, Slate
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Failed,
    Finished,
    ImageReady,
    Note,
    PaintingProgress,
    SessionStarted,
    SlateChosen,
    TurnReady,
    WritingProgress,
    WritingStarted,
)
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.session_state import SessionView, Stage, advance, doing, stopped
from pasta_tui.widgets.fit import TITLE, Place, fit, lay_out, moved, text_lines
from pasta_tui.widgets.words import status, way_lines
from tests.support.rollouts import paint_one, small_services

SETTINGS = SessionSettings(turns=2, columns=2, images=2)
CANDIDATES = tuple(Candidate(f"[b]prompt {n}[/b]\x1b[31m", f"kind {n}") for n in range(25))
IMAGE = paint_one("a cat", 1)


def folded(*events: Event, view: SessionView | None = None) -> SessionView:
    view = view or SessionView("a cat", SETTINGS)
    for event in events:
        view = advance(view, event)
    return view


BEGUN: Sequence[Event] = (
    SessionStarted("id", "a cat", 1, "micro", "random"),
    PaintingProgress(0, 1, 4),
    ImageReady(0, 0, 0, IMAGE, Path("a.png")),
)
SHOWN: Sequence[Event] = (
    WritingStarted(1, 20),
    WritingProgress(1, 12, 25),
    CandidatesReady(1, CANDIDATES),
    SlateChosen(1, Slate((3, 20), (0.5, 0.25))),
)


def test_turn_0_is_one_column_of_the_persons_own_words() -> None:
    view = folded(*BEGUN)
    assert (view.stage, view.turn, view.shown, doing(view)) == (Stage.PAINTING, 0, 0, "painting 1/2")
    (column,) = view.columns
    assert column.prompt == "a cat"
    assert column.images == (IMAGE, None)
    assert column.paths == (Path("a.png"), None)
    assert view.share == 0.25


def test_the_last_slate_stays_until_the_next_one_is_there() -> None:
    view = folded(*BEGUN, *SHOWN[:2])
    assert (view.stage, view.turn, view.shown, view.painted) == (Stage.WRITING, 1, 0, 1)
    assert doing(view) == "writing 12/25"
    view = folded(*SHOWN[2:], view=view)
    assert (view.shown, view.painted, doing(view)) == (1, 0, "painting 0/4")
    assert [(it.prompt, it.category, it.value) for it in view.columns] == [
        ("[b]prompt 3[/b]", "kind 3", 0.5),
        ("[b]prompt 20[/b]", "kind 20", 0.25),
    ]


def test_a_choice_is_marked_and_added_to_the_way_once() -> None:
    columns = ((IMAGE, IMAGE), (IMAGE, IMAGE))
    ready = TurnReady(1, CANDIDATES, Slate((3, 20)), columns)
    view = folded(*BEGUN, *SHOWN, ready)
    assert view.stage is Stage.ASKING
    assert view.painted == 4
    view = folded(Chosen(1, Choice(1, "darker")), view=view)
    again = folded(*SHOWN, ready, Chosen(1, Choice(1, "darker"), replayed=True), view=view)
    for it in (view, again):
        assert it.chosen == 1
        assert [(step.turn, step.column, step.critique) for step in it.way] == [(1, 1, "darker")]
    ended = folded(Finished("id", "prompt", columns[1]), view=view)
    assert ended.stage is Stage.FINISHED
    assert not ended.working


def test_stops_and_failures_keep_what_is_there() -> None:
    view = folded(*BEGUN)
    halted = stopped(view)
    assert halted.halted
    assert halted.columns == view.columns
    failed = folded(Failed("the worker died", "look at its log", True), view=view)
    assert doing(failed) == "the worker died"
    assert "look at its log" in status(failed, 0, "", "enter", "").plain
    assert folded(BEGUN[0], view=failed).failure is None
    assert folded(Note("once"), view=view) is view


def test_a_resumed_session_ends_in_the_view_of_one_that_was_not_interrupted(tmp_path: Path) -> None:
    settings = SessionSettings(turns=3, columns=3, images=2)
    new = NewSession("a red train", 11, "none", "drawn", "brightness", settings=settings)
    first, second = list[Event](), list[Event]()
    with Store(tmp_path) as store:
        with begin_session(store, new) as session:
            asyncio.run(session.run(small_services(), first.append))
        with resume_session(store, session.id) as session:
            asyncio.run(session.run(small_services(), second.append))
    views = [folded(*events, view=SessionView("", settings)) for events in (first, second)]
    for view in views:
        assert view.stage is Stage.FINISHED
        assert view.painted == view.images == 6
    assert views[0].way == views[1].way
    assert len(views[0].way) == 3
    hashes = [[i.sha256 for c in view.columns for i in c.images if i is not None] for view in views]
    assert hashes[0] == hashes[1]


def test_the_way_keeps_the_latest_choices_whole_and_the_others_as_numbers() -> None:
    columns = ((IMAGE, IMAGE), (IMAGE, IMAGE))
    view = folded(*BEGUN)
    assert "nothing" in way_lines(view, 60, 1)[0]
    for turn in (1, 2):
        events = [CandidatesReady(turn, CANDIDATES), SlateChosen(turn, Slate((3, 20)))]
        ready = TurnReady(turn, CANDIDATES, Slate((3, 20)), columns)
        view = folded(*events, ready, Chosen(turn, Choice(turn - 1)), view=view)
    assert way_lines(view, 60, 1) == ["1 › turn 2: 2  [b]prompt 20[/b]"]
    assert way_lines(view, 60, 3) == ["turn 1: 1  [b]prompt 3[/b]", "turn 2: 2  [b]prompt 20[/b]"]
    assert all(len(line) <= 12 for line in way_lines(view, 12, 2))


@pytest.mark.parametrize(
    ("columns", "images", "width", "height", "thumb", "across"),
    [
        (4, 4, 80, 16, (9, 5), 2),
        (4, 4, 160, 42, (19, 10), 2),
        (1, 4, 80, 18, (19, 10), 4),
        (9, 4, 80, 16, (7, 4), 2),
    ],
)
def test_pictures_are_as_large_as_the_window_allows(
    columns: int, images: int, width: int, height: int, thumb: tuple[int, int], across: int
) -> None:
    shape = fit(columns, images, width, height, 2.0)
    assert ((min(shape.width, 2 * shape.height), shape.height), shape.across) == (thumb, across)


@given(st.integers(1, 9), st.integers(1, 16), st.integers(1, 300), st.integers(1, 100), st.floats(1, 3))
def test_a_fit_never_exceeds_its_column(
    columns: int, images: int, width: int, height: int, aspect: float
) -> None:
    shape = fit(columns, images, width, height, aspect)
    assert shape.across * shape.down >= images
    assert shape.height >= 1
    assert shape.width >= 1
    assert shape.column <= width or shape.column <= 16
    if height >= images:
        assert shape.lines <= height


@given(st.integers(1, 9), st.integers(1, 16), st.data())
def test_arrows_reach_every_image_and_leave_none(columns: int, images: int, data: st.DataObject) -> None:
    across = data.draw(st.integers(1, images))
    reached, waiting = {Place()}, [Place()]
    while waiting:
        place = waiting.pop()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            to = moved(place, columns, images, across, dx, dy)
            assert 0 <= to.column < columns
            assert 0 <= to.image < images
            if to not in reached:
                reached.add(to)
                waiting.append(to)
    assert len(reached) == columns * images


def test_long_prompts_leave_their_columns_for_the_full_width() -> None:
    shape = fit(4, 4, 80, 16, 2.0)
    assert text_lines(["a red train", "a cat"], shape, 80, 6).columns == 1
    long = text_lines(["word " * 60] * 4, shape, 80, 8)
    assert long.detail == 4
    assert long.columns == 4


def test_room_that_is_left_shows_the_selected_column_once_more_and_larger() -> None:
    assert lay_out(["a red train in the snow " * 6] * 4, 4, 4, 80, 20, 2.0).large == 0
    small = lay_out(["a red train in the snow, close-up"] * 4, 4, 4, 80, 20, 2.0)
    assert (small.large, small.texts.columns, small.texts.detail) == (7, 0, 1)
    assert small.shape == lay_out(["a red train " * 9] * 4, 4, 4, 80, 20, 2.0).shape
    without_prompts = lay_out([], 4, 4, 80, 20, 2.0)
    assert without_prompts.large >= 8
    large = lay_out(["a red train in the snow"] * 4, 4, 4, 160, 45, 2.0)
    assert large.large >= 18
    assert lay_out([], 1, 4, 160, 45, 2.0).large == 0


@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=9),
    st.integers(1, 16),
    st.integers(1, 300),
    st.integers(1, 100),
)
def test_a_layout_fits_into_its_window(prompts: list[str], images: int, width: int, height: int) -> None:
    layout = lay_out(prompts, len(prompts), images, width, height, 2.0)
    used = TITLE + layout.shape.lines + layout.texts.columns + layout.texts.detail + layout.large
    bar = len(prompts) * layout.shape.column > width
    assert used + bar <= max(height, TITLE + layout.shape.down + bar)
    assert min(layout.large, layout.texts.columns, layout.texts.detail) >= 0


def test_what_failed_is_told_without_control_characters() -> None:
    view = folded(*BEGUN, Failed("it is\x1b[31m [gone]", "find\nit\x1b]0;owned\x07"))
    assert status(view, 0, "", "Enter", "").plain == "it is [gone]; Enter tries again; find it"
