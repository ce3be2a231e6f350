"""Looking through past sessions: found, previewed, walked through, gone on with, starred and deleted."""

from __future__ import annotations

import asyncio
import random
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList
from textual.worker import WorkerFailed

from pasta_core.domain import Choice, History, Turn
from pasta_core.errors import StorageError
from pasta_core.sessions.images import read_png
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_tui.archive import Archive, turn_views, with_images
from pasta_tui.screens.browse import BrowseScreen
from pasta_tui.screens.gallery import Gallery
from pasta_tui.screens.question import Question
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.walk import WalkScreen
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.slate import Slate
from tests.support.rollouts import small_services
from tests.support.screens import Host, on_screen, settled

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
SETTINGS = SessionSettings(turns=2, columns=3, images=2)


class _Enough(Exception):
    pass


class _Leaver:
    """Chooses column 2 with a critique, and leaves when it has chosen often enough."""

    def __init__(self, choices: int) -> None:
        self._left = choices

    async def choose(self, history: History, turn: Turn) -> Choice:
        if not self._left:
            raise _Enough
        self._left -= 1
        return Choice(1, "[brighter] still")


def played(
    data: Path, prompt: str, days: int, choices: int, blind: bool = False, user: str = "person"
) -> str:
    """A session of some days ago, left after some choices."""
    with Store(data, clock=lambda: NOW - timedelta(days=days), draw=random.Random(days).randrange) as store:
        new = NewSession(prompt, days, "micro", "drawn", user, blind, SETTINGS)
        with begin_session(store, new) as session:
            services = replace(small_services(), user=_Leaver(choices))
            with suppress(_Enough):
                asyncio.run(session.run(services, lambda _: None))
            return session.id


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Three sessions, the train's the latest one."""
    data = tmp_path_factory.mktemp("made")
    return data, {
        "castle": played(data, "a castle [in fog]\x1b[31m", 20, 2),
        "boat": played(data, "a blue boat", 5, 1),
        "train": played(data, "a red train", 1, 0),
    }


@pytest.fixture
def sessions(tmp_path: Path, made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """The ids of three sessions by their prompts, in a store of this test's own."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return made[1]


def browse(data: Path) -> BrowseScreen:
    return BrowseScreen(Archive(data), Graphics(), lambda: NOW)


def rows(host: Host) -> list[str]:
    """The prompts of the listed sessions."""
    options = host.screen.query_one("#sessions", OptionList)
    return [str(option.prompt)[36:].strip() for option in options.options]


def test_the_latest_session_comes_first_and_is_previewed(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert rows(host) == ["a red train", "a blue boat", "a castle [in fog]"]
        assert "3 sessions" in host.text
        assert "active, 0 of 2 turns" in host.text
        gallery = host.screen.query_one(Gallery)
        with Store(tmp_path) as store:
            (start, first) = store.turns(sessions["train"])
        assert gallery.count == 2
        shown = [thumbnail.picture.pixels for thumbnail in gallery.query("Thumbnail")][:2]  # type: ignore[attr-defined]
        for pixels, stored in zip(shown, start.images.values(), strict=True):
            assert np.array_equal(pixels, read_png(stored.path.read_bytes()))
        assert first.choice is None
        await pilot.press("down")
        await settled(pilot)
        assert "→ prompt" in host.text
        assert "active, 1 of 2 turns" in host.text

    assert on_screen(lambda: browse(tmp_path), steps) == []


def test_words_and_dates_narrow_the_list_as_they_are_typed(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"BOAT")
        await settled(pilot)
        assert rows(host) == ["a blue boat"]
        assert "1 session" in host.text
        await pilot.press(*["backspace"] * 4, "tab", *"7d")
        await settled(pilot)
        assert rows(host) == ["a red train", "a blue boat"]
        await pilot.press("tab", *"2026-11-20")
        await settled(pilot)
        assert rows(host) == ["a blue boat"]
        await pilot.press("x")
        await settled(pilot)
        assert "is no date" in host.text
        assert rows(host) == ["a blue boat"], "what cannot be read changes nothing"
        await pilot.press("backspace", "enter")
        assert host.screen.focused is host.screen.query_one("#sessions")
        await pilot.press("slash", *"elephant")
        await settled(pilot)
        assert rows(host) == []
        assert "No session matches" in host.text

    assert on_screen(lambda: browse(tmp_path), steps, (120, 30)) == []


def test_stars_are_kept_and_can_be_looked_for(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "s")
        await settled(pilot)
        assert rows(host)[1].startswith("★") or "★ a blue boat" in host.text
        await pilot.press("asterisk")
        await settled(pilot)
        assert len(rows(host)) == 1
        assert "1 starred session" in host.text

    on_screen(lambda: browse(tmp_path), steps)
    with Store(tmp_path) as store:
        assert [info.id for info in store.sessions() if info.starred] == [sessions["boat"]]


def test_a_session_is_drawn_as_a_contact_sheet(tmp_path: Path, sessions: dict[str, str]) -> None:
    folder = tmp_path / "sheets"
    folder.mkdir()

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "x")
        await settled(pilot)
        assert any("the contact sheet is" in note.message for note in host._notifications)

    on_screen(lambda: BrowseScreen(Archive(tmp_path), Graphics(), lambda: NOW, lambda: folder), steps)
    (path,) = folder.iterdir()
    assert path.name == f"{sessions['boat']}-sheet.png"
    assert read_png(path.read_bytes()).shape[0] > 100


def test_deleting_asks_and_only_yes_deletes(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        for no in ("n", "escape", "enter", "d"):
            await pilot.press("d")
            assert isinstance(host.screen, Question)
            assert sessions["train"] in host.text
            await pilot.press(no)
            if no in ("enter", "d"):
                assert isinstance(host.screen, Question)
                await pilot.press("n")
        await settled(pilot)
        assert len(rows(host)) == 3
        await pilot.press("d", "y")
        await settled(pilot)
        assert rows(host) == ["a blue boat", "a castle [in fog]"]

    on_screen(lambda: browse(tmp_path), steps)
    with Store(tmp_path) as store:
        assert {info.id for info in store.sessions()} == {sessions["boat"], sessions["castle"]}
        assert not store.directory(sessions["train"]).exists()


def test_a_session_that_is_open_elsewhere_stays_and_it_is_said(
    tmp_path: Path, sessions: dict[str, str]
) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("d", "y")
        await settled(pilot)
        assert any("open in another process" in note.message for note in host._notifications)
        assert len(rows(host)) == 3

    with Store(tmp_path) as store:
        lock = store.lock(sessions["train"])
        on_screen(lambda: browse(tmp_path), steps)
        lock.release()


def test_the_selected_session_is_gone_on_with_whoever_plays_it(
    tmp_path: Path, sessions: dict[str, str]
) -> None:
    async def go_on(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "r")

    assert on_screen(lambda: browse(tmp_path), go_on) == [StartRequest(resume=sessions["boat"])]
    rater = played(tmp_path, "a rated one", 0, 1, user="planted:0")

    async def rated(host: Host, pilot: Pilot[None]) -> None:
        assert "played by planted:0" in host.text
        await pilot.press("r")

    assert on_screen(lambda: browse(tmp_path), rated) == [StartRequest(resume=rater)]


def test_escape_leaves_the_filter_first_and_then_the_screen(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("slash", "escape")
        assert host.handed_back == []
        await pilot.press("escape")

    assert on_screen(lambda: browse(tmp_path), steps) == [None]


def test_an_empty_archive_and_a_damaged_one_are_said(tmp_path: Path) -> None:
    async def empty(host: Host, pilot: Pilot[None]) -> None:
        assert "0 sessions" in host.text
        await pilot.press("enter", "r", "s", "d", "escape")

    assert on_screen(lambda: browse(tmp_path / "none"), empty) == [None]
    (tmp_path / "sessions.sqlite3").write_bytes(b"this is no database, but long enough to be one" * 40)

    async def damaged(host: Host, pilot: Pilot[None]) -> None:
        assert "damaged" in host.text

    on_screen(lambda: browse(tmp_path), damaged, (160, 30))


def test_a_session_is_walked_through_turn_by_turn(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down", "enter")
        await settled(pilot)
        assert isinstance(host.screen, WalkScreen)
        assert "turn 2 of 2" in host.text
        assert "column 2 was chosen: “[brighter] still”" in host.text
        assert "a castle [in fog]" in host.text
        view = host.screen.query_one(Slate)._view
        assert view is not None and view.painted == 6
        await pilot.press("n", "b")
        await settled(pilot)
        assert "turn 1 of 2" in host.text
        await pilot.press("b")
        await settled(pilot)
        assert "how the initial prompt looked" in host.text
        await pilot.press("b", "escape")
        assert isinstance(host.screen, BrowseScreen)

    assert on_screen(lambda: browse(tmp_path), steps) == []


def test_a_turn_that_waits_for_its_choice_is_shown_too(tmp_path: Path, sessions: dict[str, str]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await settled(pilot)
        assert "not chosen yet" in host.text

    on_screen(lambda: browse(tmp_path), steps)


def test_views_are_those_of_the_session_itself(tmp_path: Path, sessions: dict[str, str]) -> None:
    archive = Archive(tmp_path)
    with Store(tmp_path) as store:
        info = store.get(sessions["castle"])
    turns = archive.turns(info.id)
    views = turn_views(info, turns)
    assert [view.shown for view in views] == [0, 1, 2]
    assert [view.chosen for view in views] == [None, 1, 1]
    assert [len(view.way) for view in views] == [0, 1, 2]
    assert views[2].way[1].critique == "[brighter] still"
    stored = turns[2]
    view = with_images(views[2], stored)
    assert stored.slate is not None
    assert [column.prompt for column in view.columns] == [
        stored.candidates[index].prompt for index in stored.slate.indices
    ]
    hashes = {
        (at, index): image.sha256
        for at, column in enumerate(view.columns)
        for index, image in enumerate(column.images)
        if image is not None
    }
    assert hashes == {place: image.sha256 for place, image in stored.images.items()}
    stored.images[1, 0].path.unlink()
    assert with_images(views[2], stored).columns[1].images[0] is None
    assert archive.preview(info.id).images[0] is None


def test_a_blind_session_keeps_its_prompts_to_itself(tmp_path: Path) -> None:
    played(tmp_path, "a boat", 1, 1, blind=True)

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert "a boat" in host.text and "prompt" not in host.text
        await pilot.press("enter")
        await settled(pilot)
        assert "prompt " not in host.text and "category" not in host.text

    on_screen(lambda: browse(tmp_path), steps)


def test_a_store_that_fails_in_the_middle_is_said_and_the_list_stays(
    tmp_path: Path, sessions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StorageError("the disk is [gone]", "find it")

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(Store, "star", broken)
        monkeypatch.setattr(Archive, "turns", broken)
        monkeypatch.setattr(Archive, "directory", broken)
        await pilot.press("s", "enter", "f")
        await settled(pilot)
        assert [note.message for note in host._notifications] == ["the disk is [gone]; find it"] * 3
        assert len(rows(host)) == 3

    on_screen(lambda: browse(tmp_path), steps)


def test_a_slow_disk_holds_up_no_key(
    tmp_path: Path, sessions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def slow(*_: object) -> None:
        assert done.wait(60)

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(Store, "star", slow)
        try:
            await asyncio.wait_for(pilot.press("s", "down"), 20)
            assert host.screen.query_one("#sessions", OptionList).highlighted == 1
        finally:
            done.set()
        await settled(pilot)

    on_screen(lambda: browse(tmp_path), steps)


def test_a_session_without_any_image_can_be_walked_through(tmp_path: Path, sessions: dict[str, str]) -> None:
    with Store(tmp_path) as store:
        info = store.get(sessions["train"])

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("p", "n", "b", "left", "p")
        assert "nothing has been painted yet" in host.text

    on_screen(lambda: WalkScreen(info, (), Graphics()), steps)


def test_what_nobody_expected_is_said_too(
    tmp_path: Path, sessions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a [damaged] row")

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(Archive, "preview", broken)
        with suppress(WorkerFailed):
            await pilot.press("down")
            await settled(pilot)
        await pilot.pause()
        assert any("ValueError: a [damaged] row" in note.message for note in host._notifications)
        await pilot.press("r")

    assert on_screen(lambda: browse(tmp_path), steps) == [StartRequest(resume=sessions["boat"])]


@pytest.mark.parametrize("size", [(160, 50), (40, 12), (10, 4)])
def test_other_windows_are_usable_too(
    tmp_path: Path, sessions: dict[str, str], size: tuple[int, int]
) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "enter")
        await settled(pilot)
        await pilot.press("b", "escape", "r")

    assert on_screen(lambda: browse(tmp_path), steps, size) == [StartRequest(resume=sessions["boat"])]
