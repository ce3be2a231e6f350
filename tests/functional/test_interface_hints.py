"""What the interface says in passing: notices, hints at keys, the key line, and how it waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from pasta_tui.app import PastaApp
from pasta_tui.plain.opening import Opened
from pasta_tui.screens.help import HelpScreen
from pasta_tui.screens.start import StartScreen
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.session_state import SessionView, Stage
from pasta_tui.widgets.fit import Layout
from pasta_tui.widgets.keys import KeyLine, fitting, offers
from pasta_tui.widgets.slate import Slate
from tests.support.interface import (
    GatedPainter,
    SmallModels,
    asked,
    drive,
    request_for,
    shown_text,
    small_app,
    until,
)


def notices(app: PastaApp) -> list[str]:
    """The notices that lie over the screen, oldest first."""
    return [str(toast._notification.message) for toast in app.screen.query(Toast)]


def test_there_are_at_most_two_notices_and_a_choice_clears_them(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())
    app.NOTIFICATION_TIMEOUT = 600

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        for text in ("one", "two", "three"):
            app.say(text)
            await pilot.pause()
        assert notices(app) == ["two", "three"]
        await pilot.press("enter")
        await asked(app, pilot, 2)
        assert notices(app) == []

    drive(app, steps)


def test_trouble_is_no_longer_told_when_it_is_over(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))
    app.NOTIFICATION_TIMEOUT = 600

    async def steps(pilot: Pilot[Any]) -> None:
        painter.permits = asyncio.Semaphore(2 + 4)
        await until(pilot, lambda: "painting 4/6" in shown_text(app))
        app.say("the disk was full", "error")
        app.say("worth knowing")
        await pilot.pause()
        assert notices(app) == ["the disk was full", "worth knowing"]
        painter.permits = asyncio.Semaphore(100)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "stopped" in shown_text(app))
        app.say("still full", "error")
        await pilot.press("r")
        await asked(app, pilot)
        assert notices(app) == []

    drive(app, steps)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ctrl+c", "nothing is running; Ctrl-Q quits"),
        ("q", "Ctrl-Q quits; what is finished is kept"),
        ("7", "columns are 1 to 3"),
        ("b", "b does nothing now; ? lists the keys"),
        ("r", "r does nothing now; ? lists the keys"),
    ],
)
def test_a_key_that_does_nothing_says_what_would_work(key: str, said: str, tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("2", "p", "p")
        assert notices(app) == []
        await pilot.press(key)
        await pilot.pause()
        assert notices(app) == [said]

    drive(app, steps)


def test_what_needs_a_slate_says_so_while_there_is_none(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        painter.permits = asyncio.Semaphore(4)
        await until(pilot, lambda: "painting 2/6" in shown_text(app))
        await pilot.press("0")
        await pilot.pause()
        assert notices(app) == ["the slate is not painted yet"]
        app.clear_notifications()
        await pilot.press("a")
        await pilot.pause()
        assert notices(app) == ["the slate is not painted yet"]

    drive(app, steps)


def test_a_digit_before_there_are_columns_says_when_they_come(tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        painter.permits = asyncio.Semaphore(1)
        await until(pilot, lambda: "painting 1/2" in shown_text(app))
        await pilot.press("2")
        await pilot.pause()
        assert notices(app) == ["the columns come with turn 1"]

    drive(app, steps)


@pytest.mark.parametrize(
    ("opens", "line", "idle", "said"),
    [
        ("a", "⏎ Show 123 Column esc Back ^q Quit", "0", "what does: ⏎ Show, 123 Column, esc Back, ^q Quit"),
        ("a", "⏎ Show 123 Column esc Back ^q Quit", "4", "what does: ⏎ Show, 123 Column, esc Back, ^q Quit"),
        ("question_mark", "esc Close ^q Quit", "0", "what does: esc Close, ^q Quit"),
        (
            "z",
            "←→ Column ↑↓ Image p Prompt s Save o Open z Back ^q Quit ? Help ^p More",
            "0",
            "? lists the keys",
        ),
    ],
)
def test_a_screen_above_the_slate_names_its_own_keys_and_says_so_of_others(
    opens: str, line: str, idle: str, said: str, tmp_path: Path
) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press(opens)
        await until(pilot, lambda: " ".join(shown_text(app).splitlines()[-1].split()) == line)
        screen = app.screen
        await pilot.press(idle)
        await pilot.pause()
        assert notices(app) == [f"{idle} does nothing here; {said}"]
        assert app.screen is screen, "it closes nothing"
        await pilot.press("escape", "2", "enter")
        await asked(app, pilot, 2)

    drive(app, steps)


@pytest.mark.parametrize("opens", ["a", "question_mark", "z"])
def test_above_the_slate_ctrl_c_says_that_nothing_runs(opens: str, tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press(opens, "ctrl+c")
        await pilot.pause()
        assert notices(app) == ["nothing is running; Ctrl-Q quits"]
        assert not isinstance(app.screen, TurnScreen)
        await pilot.press("ctrl+q")

    drive(app, steps)


@pytest.mark.parametrize("opens", [("question_mark",), ("z",), ("z", "question_mark")])
def test_above_the_slate_ctrl_c_stops_the_work(opens: tuple[str, ...], tmp_path: Path) -> None:
    painter = GatedPainter()
    app = small_app(tmp_path, request_for(), SmallModels(painter=painter))

    async def steps(pilot: Pilot[Any]) -> None:
        painter.permits = asyncio.Semaphore(2 + 4)
        await until(pilot, lambda: "painting 4/6" in shown_text(app))
        await pilot.press(*opens)
        await until(pilot, lambda: "^c Stop" in shown_text(app).splitlines()[-1])
        assert not isinstance(app.screen, TurnScreen)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.player is not None and app.player.view.stage is Stage.STOPPED)
        await until(pilot, lambda: "^c Stop" not in shown_text(app).splitlines()[-1])
        assert not isinstance(app.screen, TurnScreen)
        painter.permits = asyncio.Semaphore(100)
        await pilot.press(*["escape"] * len(opens), "r")
        await asked(app, pilot)

    drive(app, steps)


def test_the_critique_line_names_its_keys(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("c")
        await pilot.pause()
        assert "Enter keeps it, Escape does not" in shown_text(app)

    drive(app, steps)


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_the_key_line_cuts_no_word_and_keeps_help_and_quitting(width: int, tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        line = shown_text(app).splitlines()[-1]
        shown = fitting(offers(app.screen), width - 1)
        assert {"help", "quit"} <= {offer.name for offer in shown}
        for offer in shown:
            assert offer.text in line
        assert len(line.split()) == sum(len(offer.text.split()) for offer in shown)
        assert (len(shown) > 8) == (width >= 80)

    drive(app, steps, (width, 24))


def test_a_bar_below_scrolling_columns_hides_no_picture(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(columns=4, images=4))

    async def steps(pilot: Pilot[Any]) -> None:
        screen = await asked(app, pilot)
        row = screen.query_one(".columns")
        assert row.max_scroll_x
        lowest = max(pictures.region.bottom for pictures in screen.query(".pictures"))
        assert lowest <= row.region.bottom - row.scrollbar_size_horizontal
        assert "nothing is chosen yet" not in shown_text(app)
        await pilot.press("c")
        await pilot.pause()
        assert "0/12" in shown_text(app)
        assert "Escape" not in shown_text(app)

    drive(app, steps, (40, 12))


def test_a_click_on_the_key_line_does_what_the_key_does(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        line = shown_text(app).splitlines()[-1]
        await pilot.click(KeyLine, offset=(line.index("Zoom"), 0))
        await until(pilot, lambda: isinstance(app.screen, ZoomScreen))
        line = shown_text(app).splitlines()[-1]
        await pilot.click(KeyLine, offset=(line.index("Help"), 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))

    drive(app, steps)


def test_the_help_says_what_the_zooms_arrows_do_and_shows_all_of_the_turns_at_80x24(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(columns=4))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.screen.query_one("#help").max_scroll_y == 0
        assert "1 2 3 4  Select a column." in shown_text(app)
        assert "Escape closes" in shown_text(app)
        await pilot.resize_terminal(80, 12)
        await until(pilot, lambda: "↑ ↓ for more" in shown_text(app))
        await pilot.resize_terminal(80, 24)
        await pilot.press("escape", "z", "question_mark")
        await until(pilot, lambda: "← →  Go to the same image of another column." in shown_text(app))
        assert "↑ ↓  Go to another image of the column." in shown_text(app)

    drive(app, steps)


def test_help_has_a_key_while_a_prompt_is_typed(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for(None))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, StartScreen))
        await pilot.press("question_mark")
        assert "F1 Help" in shown_text(app)
        assert "^p More" in shown_text(app)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))

    drive(app, steps)


def test_the_palette_offers_an_action_with_several_keys_once(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot)
        await pilot.press("z")
        await pilot.pause()
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {"Help", "Back", "Quit", "Theme"} <= set(titles)
        assert len(titles) == len(set(titles))

    drive(app, steps)


def test_while_the_models_start_the_screen_says_so_and_moves(tmp_path: Path) -> None:
    app = small_app(tmp_path, request_for())
    gate = asyncio.Event()
    desk = app._desk
    open_at_once = desk.opening

    def later(*arguments: Any) -> AbstractAsyncContextManager[Opened]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Opened]:
            await gate.wait()
            async with open_at_once(*arguments) as found:
                yield found

        return opened()

    object.__setattr__(desk, "opening", later)

    async def steps(pilot: Pilot[Any]) -> None:
        seen: set[str] = set()

        def moved() -> bool:
            lines: Sequence[str] = shown_text(app).splitlines()
            seen.update(line.strip() for line in lines if "starting the models  " in line)
            return len(seen) > 2

        await until(pilot, moved)
        assert "makes 25 prompts" in " ".join(shown_text(app).split())
        gate.set()
        await until(pilot, lambda: bool(app.screen.query(Slate)))
        slate = app.screen.query_one(Slate)
        heights: list[int] = []
        fill = slate._fill

        def filled(view: SessionView, layout: Layout) -> None:
            heights.append(layout.shape.height)
            fill(view, layout)

        slate._fill = filled  # type: ignore[method-assign]
        await asked(app, pilot)
        assert min(heights) > 1
        assert "starting the models" not in shown_text(app)
        assert app.screen.query_one(Slate).display

    drive(app, steps)
