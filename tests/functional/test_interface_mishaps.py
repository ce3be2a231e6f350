"""The full screen where a person does what is rare: stops and goes on, begins again, hurries on, leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from pasta_core.errors import StorageError
from pasta_core.sessions.store import Store
from pasta_tui import keep
from pasta_tui.app import PastaApp
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.start import StartScreen
from tests.support.interface import (
    GatedPainter,
    SmallDesk,
    SmallModels,
    asked,
    drive,
    ended,
    request_for,
    shown_text,
    small_app,
    until,
)


class _Starting:
    """A session whose models take for ever."""

    async def __aenter__(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    async def __aexit__(self, *_: object) -> None:
        pass


def said(app: PastaApp) -> list[str]:
    """Every notice that is up."""
    return [notice.message for notice in app._notifications]


def test_going_on_after_a_stop_keeps_the_selected_column_and_the_critique(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(turns=4), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        for turn in (1, 2):
            await asked(app, pilot, turn)
            if turn == 2:
                painter.permits = asyncio.Semaphore(4)
            await pilot.press("enter")
        await until(pilot, lambda: "painting 4/6" in shown_text(app))
        await pilot.press("2", "c", *"red", "enter", "ctrl+c")
        await until(pilot, lambda: "stopped" in shown_text(app))
        painter.permits = asyncio.Semaphore(100)
        await pilot.press("r")
        await asked(app, pilot, 3)
        assert "takes column 2  saying “red”" in shown_text(app)
        await pilot.press("enter")
        await asked(app, pilot, 4)
        assert "takes column 1" in shown_text(app)
        assert "saying" not in shown_text(app)

    drive(app, steps)


def test_a_viewer_that_takes_its_time_holds_up_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = small_app(tmp_path, request_for())
    opened: list[Path] = []

    async def never(path: Path) -> str:
        opened.append(path)
        await asyncio.Event().wait()
        return ""

    async def steps(pilot: Pilot[Any]) -> None:
        monkeypatch.setattr(keep, "open_outside", never)
        await asked(app, pilot)
        await asyncio.wait_for(pilot.press("o", "2"), 20)
        await until(pilot, lambda: "takes column 2" in shown_text(app), 20)
        await asyncio.wait_for(pilot.press("z", "o", "right"), 20)
        await until(pilot, lambda: "column 3 of 3" in shown_text(app), 20)
        await asyncio.wait_for(pilot.press("ctrl+q"), 20)

    drive(app, steps)
    assert len(opened) == 2


def test_a_typed_seed_is_that_of_the_first_session_of_the_start_screen(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(None, turns=1, seed=7))

    async def steps(pilot: Pilot[Any]) -> None:
        for words in ("a dog", "a boat"):
            await until(pilot, lambda: isinstance(app.screen, StartScreen))
            await pilot.press(*words, "enter")
            await asked(app, pilot)
            await pilot.press("enter")
            await ended(app, pilot)
            await pilot.press("n")

    drive(app, steps)
    with Store(tmp_path) as store:
        boat, dog = (info.made_of for info in store.sessions())
    assert (dog.prompt, dog.seed) == ("a dog", 7)
    assert (boat.prompt, boat.seed != 7) == ("a boat", True)


def test_again_with_the_same_words_is_a_session_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = small_app(tmp_path, request_for("a cat", turns=1, seed=7))
    starts: list[StartRequest] = []

    def refused(self: SmallDesk, start: StartRequest, note: object) -> NoReturn:
        starts.append(start)
        raise StorageError("the disk is [gone]\x1b[31m")

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("enter")
        await ended(app, pilot)
        monkeypatch.setattr(SmallDesk, "opening", refused)
        await pilot.press("a")
        app.screen.query_one(PromptEntry).text = "a cat"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, StartScreen))
        assert said(app) == ["the disk is [gone]"]

    drive(app, steps)
    assert starts == [StartRequest("a cat", profile="micro")]
    assert app._desk._request(starts[0]).seed is None


def test_a_stop_while_the_models_start_says_how_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = small_app(tmp_path, request_for())
    monkeypatch.setattr(SmallDesk, "opening", lambda *_: _Starting())

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "starting the models" in shown_text(app))
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert said(app) == ["the models are starting; Ctrl-Q leaves"]

    drive(app, steps)


def test_final_images_are_copied_when_they_are_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    app = small_app(tmp_path, request_for(turns=1, out=out))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("enter")
        await ended(app, pilot)
        assert len(list(out.glob("*-final-*.png"))) == 2
        assert "-final-1.png" in shown_text(app)

    drive(app, steps, (160, 24))
    assert [path and path.parent for path in app.finished[0].paths] == [out, out]
    assert app.troubles == []


def test_a_copy_that_fails_is_told_and_hides_no_image(tmp_path: Path) -> None:
    out = tmp_path / "out"
    app = small_app(tmp_path, request_for(turns=1, out=out))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        out.write_text("in the way")
        await pilot.press("enter")
        await ended(app, pilot)
        assert "is not a directory" in " ".join(said(app))
        assert "column-1-image-1.png" in shown_text(app)

    drive(app, steps, (160, 24))
    assert all(path is not None and path.is_file() for path in app.finished[0].paths)
    assert len(app.troubles) == 1


def typed_at_once(app: PastaApp, text: str) -> None:
    """Send keys faster than any of them is dealt with."""
    for character in text:
        app.post_message(Key({"/": "slash"}.get(character, character), character))


def test_words_that_follow_the_critique_key_at_once_are_words_and_no_commands(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        screen = await asked(app, pilot)
        typed_at_once(app, "c2poc")
        words = screen.query_one("#words", Input)
        await until(pilot, lambda: words.value == "2poc")
        await pilot.press("escape")
        assert "takes column 1" in shown_text(app)

    drive(app, steps)


def test_words_that_follow_the_filter_key_at_once_are_words_and_no_commands(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("enter")
        await ended(app, pilot)
        await pilot.press("b")
        await until(pilot, lambda: "a cat" in shown_text(app) and bool(app.screen.query("#text")))
        typed_at_once(app, "/ds/q")
        words = app.screen.query_one("#text", Input)
        await until(pilot, lambda: words.value == "ds/q")

    drive(app, steps)


def test_words_that_follow_the_key_for_again_at_once_are_words_and_no_commands(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("enter")
        await ended(app, pilot)
        typed_at_once(app, "aaqn")
        entry = app.screen.query_one(PromptEntry)
        await until(pilot, lambda: entry.text.endswith("aqn"))

    drive(app, steps)
