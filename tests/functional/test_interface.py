"""The interface driven by keys: on the shipped models in a real worker, and on small ones for every key."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput
from pasta_core.sessions.store import Store
from pasta_tui.app import PastaApp
from pasta_tui.desk import Desk
from pasta_tui.fullscreen import known_keys
from pasta_tui.plain.request import Request
from pasta_tui.preferences import check_keys, check_theme, remember_theme
from pasta_tui.screens.help import HelpScreen, help_lines
from pasta_tui.screens.start import StartScreen
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.terminal.graphics import Graphics
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


@pytest.mark.parametrize(
    ("flags", "choices"),
    [({"turns": 2, "columns": 2, "images": 2}, ["2", "1"]), ({}, ["2", "1", "4", "3", "2"])],
)
def test_a_whole_session_on_the_shipped_models(
    flags: dict[str, int], choices: list[str], tmp_path: Path
) -> None:
    env = {**os.environ, "PASTA_DATA_DIR": str(tmp_path)}
    config = configure(flags, env, tmp_path)
    app = PastaApp(
        Desk(Request("a red train in the snow", flags=flags, seed=7), config, env, tmp_path), Graphics()
    )

    async def steps(pilot: Pilot[Any]) -> None:
        for turn, key in enumerate(choices, start=1):
            await asked(app, pilot, turn)
            await pilot.press(key, "enter")
        await ended(app, pilot)

    drive(app, steps)
    (finished,) = app.finished
    assert app.opened is None
    assert len(finished.paths) == config.session.images
    for path, image in zip(finished.paths, finished.images, strict=True):
        assert path is not None
        assert Image.open(path).size == (64, 64)
        assert image.pixels.std() > 5
    with Store(tmp_path) as store:
        turns = store.turns(finished.session)
    assert [turn.choice.column + 1 for turn in turns if turn.choice] == [int(key) for key in choices]


def test_digits_and_arrows_select_and_enter_takes(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(images=4))

    async def steps(pilot: Pilot[Any]) -> None:
        screen = await asked(app, pilot, 1)
        await pilot.press("9", "3", "left", "right", "right", "down")
        assert "takes column 3" in shown_text(app)
        await pilot.press("left", "left")
        assert "takes column 2" in shown_text(app)
        await pilot.press("enter")
        screen = await asked(app, pilot, 2)
        assert "turn 1: 2" in shown_text(app)
        assert "takes column 1" in shown_text(app)
        assert screen is turn_screen(app)
        await pilot.click(".thumbnail", offset=(3, 1))
        await pilot.press("1", "enter")
        await ended(app, pilot)

    drive(app, steps)
    with Store(tmp_path) as store:
        turns = store.turns(app.finished[0].session)
    assert [turn.choice.column for turn in turns if turn.choice] == [1, 0]


def test_a_critique_is_counted_bounded_and_goes_with_the_choice(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("c", *"make 2 of it")
        assert "4/12 words" in shown_text(app)
        await pilot.press("escape")
        assert "saying" not in shown_text(app)
        await pilot.press("c", *("x", "space") * 13, "enter")
        assert "13/12 words" in shown_text(app)
        await pilot.press("backspace", "backspace", "enter")
        await pilot.pause()
        assert "takes column 1  saying “x x x" in shown_text(app)
        await pilot.press("enter")
        await ended(app, pilot)

    drive(app, steps)
    with Store(tmp_path) as store:
        (_, turn) = store.turns(app.finished[0].session)
    assert turn.choice is not None
    assert turn.choice.critique == " ".join("x" * 12)


def test_zoom_walks_through_the_slate_and_comes_back_with_the_place(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("z", "right", "down")
        assert isinstance(app.screen, ZoomScreen)
        assert "column 2 of 3, image 2 of 2" in shown_text(app)
        await pilot.press("right", "right")
        assert "column 1 of 3, image 2 of 2" in shown_text(app)
        await pilot.press("left", "s", "z")
        await pilot.pause()
        assert "takes column 3" in shown_text(app)

    drive(app, steps)
    (saved,) = tmp_path.glob("*-turn-1-column-3-image-2.png")
    assert Image.open(saved).size == (8, 8)


def test_images_appear_while_it_paints_and_a_stop_keeps_them(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        painter.permits = asyncio.Semaphore(2 + 4)
        await until(pilot, lambda: "painting 4/6" in shown_text(app))
        await pilot.press("enter")
        assert "painting 4/6" in shown_text(app)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "stopped, what was finished is kept" in shown_text(app))
        asked_before = len(painter.asked)
        painter.permits = asyncio.Semaphore(100)
        await pilot.press("r")
        await asked(app, pilot, 1)
        missing = [len(row) for row in painter.asked[asked_before][1]]
        assert missing == [2]
        await pilot.press("ctrl+c")
        assert "takes column 1" in shown_text(app)

    drive(app, steps)
    assert app.opened is not None


def test_leaving_kills_the_models_and_the_session_is_taken_up_where_it_was(tmp_path: Path) -> None:
    models = SmallModels()
    app = small_app(tmp_path, request_for(), models)

    async def leave(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        await pilot.press("ctrl+q")

    drive(app, leave)
    assert models.killed
    assert app.opened is not None
    again = small_app(tmp_path, Request(resume="last"))

    async def go_on(pilot: Pilot[Any]) -> None:
        await asked(again, pilot, 2)
        assert "turn 1: 2" in shown_text(again)
        await pilot.press("enter")
        await ended(again, pilot)

    drive(again, go_on)
    assert [event.session for event in again.finished] == [app.opened.session.id]


def test_from_the_start_screen_to_the_end_and_again(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(None, turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, StartScreen))
        await pilot.press(*"a dog", "enter")
        await asked(app, pilot, 1)
        await pilot.press("enter")
        await ended(app, pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, StartScreen))
        await pilot.press(*"a boat", "enter")
        await asked(app, pilot, 1)
        assert "a boat" in shown_text(app)
        await pilot.press("enter")
        await ended(app, pilot)
        await pilot.press("q")

    drive(app, steps)
    assert len({event.session for event in app.finished}) == 2


def test_blind_hides_every_prompt_but_ones_own(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(blind=True))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("p")
        for keys in ((), ("z",), ("p",)):
            await pilot.press(*keys)
            await pilot.pause()
            assert "prompt " not in shown_text(app)
            assert "category" not in shown_text(app)
        await pilot.press("escape", "2", "enter")
        await asked(app, pilot, 2)
        assert "turn 1: 2" in shown_text(app)
        assert "prompt " not in shown_text(app)

    drive(app, steps)


def test_prompts_come_and_go_and_the_sheet_is_written(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(), note="a [note] with brackets")
    app.NOTIFICATION_TIMEOUT = 600

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        assert "a [note] with brackets" in shown_text(app)
        assert "category" in shown_text(app)
        await pilot.press("p")
        assert "category" not in shown_text(app)
        await pilot.press("x", "S")
        await until(pilot, lambda: len(list(tmp_path.glob("*.png"))) == 3)

    drive(app, steps)
    (sheet,) = tmp_path.glob("*-turn-1-sheet.png")
    assert Image.open(sheet).size[0] > 100


def test_help_and_palette_know_every_action_and_keys_can_be_changed(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "pasta.toml").write_text('[keys]\n"turn.take" = "t"\n')
    app = small_app(tmp_path, request_for(turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        screen = await asked(app, pilot, 1)
        does = {line.does for line in help_lines(screen)}
        offered = {command.help for command in app.get_system_commands(screen)}
        # small sessions have no taste to tell of
        hidden = {"turn.stop", "turn.go-on", "turn.column-4", "turn.why", "turn.belief"}
        for binding in TurnScreen.BINDINGS:
            if binding.id not in hidden and not binding.id.startswith("turn.column-"):
                assert binding.tooltip in does & offered, binding
        assert "t takes column 1" in shown_text(app)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "enter")
        assert "t takes column 1" in shown_text(app)
        await pilot.press("t")
        await ended(app, pilot)

    drive(app, steps)


def test_colours_are_remembered_among_other_settings(tmp_path: Path) -> None:
    file = tmp_path / "config" / "pasta.toml"
    file.parent.mkdir()
    file.write_text('# mine\nturns = 3\n\n[keys]\n"turn.take" = "t"\n')
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        app.theme = "nord"
        await pilot.pause()

    drive(app, steps)
    assert file.read_text() == 'theme = "nord"\n# mine\nturns = 3\n\n[keys]\n"turn.take" = "t"\n'
    remember_theme(file, "gruvbox")
    assert configure({}, {"PASTA_CONFIG_DIR": str(file.parent)}, tmp_path).theme == "gruvbox"
    assert file.read_text().count("theme") == 1


def test_unknown_keys_and_colours_are_refused_by_name() -> None:
    known = known_keys()
    check_keys({"turn.take": "t", "quit": "q", "end.new": "m", "question.yes": "j"}, known)
    with pytest.raises(InvalidInput, match=r"turn\.tak") as refused:
        check_keys({"turn.tak": "t"}, known)
    assert "turn.take" in refused.value.hint
    with pytest.raises(InvalidInput) as refused:
        check_theme("beige", ["nord", "dracula"])
    assert "dracula, nord" in refused.value.hint


def test_the_turn_looks_as_it_did(tmp_path: Path, svg: SnapshotAssertion) -> None:
    app = small_app(tmp_path, request_for(columns=4, images=4, seed=7))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "down")
        await pilot.pause()
        assert app.export_screenshot() == svg

    drive(app, steps)


def test_the_zoom_looks_as_it_did(tmp_path: Path, svg: SnapshotAssertion) -> None:
    app = small_app(tmp_path, request_for(columns=4, images=4, seed=7))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("3", "z")
        await pilot.pause()
        assert app.export_screenshot() == svg

    drive(app, steps)
