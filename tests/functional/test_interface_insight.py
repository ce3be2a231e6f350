"""The keys `b` and `w`: what choices have taught, and why a slate is shown, at any size of the window."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from pasta_core.agent.taste_learner import RememberedTexts
from pasta_core.configuration import configure
from pasta_core.domain import Candidate, CandidateForm, Embedding, History, Progress
from pasta_core.errors import WorkerError
from pasta_core.sessions.taste import TasteOfSession
from pasta_core.users.taste_shelf import TasteShelf
from pasta_tui.app import PastaApp
from pasta_tui.plain.opening import Opened
from pasta_tui.plain.request import Request
from pasta_tui.screens.help import help_lines
from pasta_tui.screens.insight import BeliefScreen, WhyScreen
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.session_state import Stage
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.belief import PANEL, BeliefPanel
from tests.support.interface import SmallDesk, SmallModels, asked, drive, shown_text, small_app, until
from tests.support.rollouts import WordWriter, paint_one

WIDE = (120, 40)


async def embed(texts: Sequence[str]) -> Embedding:
    return np.stack([paint_one(text, 0).embedding for text in texts])  # type: ignore[misc]


@dataclass(frozen=True)
class TastingDesk(SmallDesk):
    """Opens sessions that a taste learns from; its CLIP is on another machine."""

    embed: Callable[..., object] = embed

    @asynccontextmanager
    async def _opened(self, start: StartRequest, note: Callable[[str], None]) -> AsyncIterator[Opened]:
        profile = self.config.profile
        clip = replace(profile.clip, model=self.config.paths.data / "elsewhere")
        shelf = TasteShelf(self.config.paths.data)
        taste = TasteOfSession(shelf, replace(profile, clip=clip), RememberedTexts(self.embed))  # type: ignore[arg-type]
        async with super()._opened(start, note) as opened:
            yield replace(opened, taste=taste)


@dataclass
class GatedWriter(WordWriter):
    """Writes once it may."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        await self.gate.wait()
        return await super().write(history, form, max_words, seed, progress)


def tasting_app(
    data: Path,
    selector: str = "taste:1",
    embed: Callable[..., object] = embed,
    models: SmallModels | None = None,
    **other: Any,
) -> PastaApp:
    flags = {"turns": 3, "columns": 3, "images": 2, "selector": selector}
    request = Request("a cat", flags=flags, seed=7, **other)
    env = {"PASTA_DATA_DIR": str(data), "PASTA_CONFIG_DIR": str(data / "config")}
    config = configure(request.flags, env, data)
    desk = TastingDesk(request, config, env, data, models=models or SmallModels(), embed=embed)
    return PastaApp(desk, Graphics())


def panel(app: PastaApp) -> BeliefPanel:
    return next(screen for screen in app.screen_stack if isinstance(screen, TurnScreen)).query_one(
        BeliefPanel
    )


def box(app: PastaApp) -> list[str]:
    """The lines of what lies over the slate."""
    return [line for line in shown_text(app).splitlines() if line.startswith(("╭", "│", "╰"))]


async def says(app: PastaApp, pilot: Pilot[Any], *texts: str) -> None:
    """Wait until all of these are on the screen."""
    await until(pilot, lambda: all(text in shown_text(app) for text in texts))


def test_the_belief_stands_beside_a_wide_slate_and_follows_every_choice(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("b")
        await says(app, pilot, "no pick yet")
        assert panel(app).size.width == PANEL - 3  # its margins, and the line on its left
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        await says(app, pilot, "turn 1: column 2", "foreseen", "the column you took", "1 pick")
        await pilot.press("3", "enter")
        await asked(app, pilot, 3)
        await says(app, pilot, "turn 2: column 3", "2 picks", "turn 1 ")
        await pilot.press("b")
        await pilot.pause()
        assert "turn 2: column 3" not in shown_text(app)
        assert not panel(app).display

    drive(app, steps, WIDE)


def test_the_belief_lies_over_a_small_slate_until_it_is_closed(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("3", "enter")
        screen = await asked(app, pilot, 2)
        await pilot.press("b")
        assert isinstance(app.screen, BeliefScreen)
        await says(app, pilot, "turn 1: column 3", "its pictures", "b or Escape closes")
        await pilot.press("b")
        await pilot.pause()
        assert app.screen is screen

    drive(app, steps)


def test_what_lies_over_a_small_slate_names_its_own_keys_and_takes_no_other(tmp_path: Path) -> None:
    writer = GatedWriter()
    app = tasting_app(tmp_path, models=SmallModels(writer=writer))

    async def steps(pilot: Pilot[Any]) -> None:
        writer.gate.set()
        screen = await asked(app, pilot, 1)
        for key, kind in (("b", BeliefScreen), ("w", WhyScreen)):
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind))  # type: ignore[misc]
            await says(app, pilot, f"{key} Close  ^q Quit")
            *_, status, line = shown_text(app).splitlines()
            assert "Take" not in line and status.split() == ["column", "1", "is", "selected"]
            await pilot.press("0")
            await says(app, pilot, f"0 does nothing here; what does: {key} Close, ^q Quit")
            await pilot.press("escape")
            await pilot.pause()
            assert app.screen is screen
            await says(app, pilot, "Enter takes column 1")
        writer.gate.clear()
        await pilot.press("3", "enter")
        await until(pilot, lambda: app.player is not None and app.player.view.stage is Stage.WRITING)
        await pilot.press("b")
        await says(app, pilot, "^c Stop  b Close  ^q Quit")
        await pilot.press("ctrl+c")
        await says(app, pilot, "stopped, what was finished is kept", " b Close  ^q Quit")
        assert isinstance(app.screen, BeliefScreen)
        await pilot.press("b")
        await says(app, pilot, "Enter goes on")

    drive(app, steps)


def test_a_window_that_gets_narrow_gives_all_its_room_to_the_slate(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("b")
        await says(app, pilot, "no pick yet")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not panel(app).display)
        await pilot.press("b")
        await says(app, pilot, "no pick yet")
        assert isinstance(app.screen, BeliefScreen)
        await pilot.press("escape")
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: panel(app).display)

    drive(app, steps, WIDE)


def test_why_says_of_every_column_what_it_is_for(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("1", "enter")
        screen = await asked(app, pilot, 2)
        await pilot.press("w")
        assert isinstance(app.screen, WhyScreen)
        await says(app, pilot, "taste:1 showed 3 of 25 prompts, after 1 pick", "±", "standard deviation")
        text = shown_text(app)
        assert text.count("to please") + text.count("to learn") == 3
        assert text.count("●") == 4
        assert all(f" {number}  category" in text for number in (1, 2, 3))
        await pilot.press("w")
        await pilot.pause()
        assert app.screen is screen

    drive(app, steps)


def test_reasons_that_need_a_scroll_bar_fit_beside_it(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def gated(texts: Sequence[str]) -> Embedding:
        await gate.wait()
        return await embed(texts)

    app = tasting_app(tmp_path, selector="random", embed=gated)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("w")
        await says(app, pilot, "one moment")
        await pilot.pause()
        gate.set()
        await until(pilot, lambda: re.search(r" 1  category \d.* by chance +│", shown_text(app)) is not None)
        assert app.screen.query_one("#why").show_vertical_scrollbar

    drive(app, steps, (64, 10))


def test_why_says_that_there_is_no_slate_yet_and_follows_when_there_is(tmp_path: Path) -> None:
    writer = GatedWriter()
    app = tasting_app(tmp_path, models=SmallModels(writer=writer))

    async def steps(pilot: Pilot[Any]) -> None:
        writer.gate.set()
        await asked(app, pilot, 1)
        writer.gate.clear()
        await pilot.press("3", "enter")
        await until(pilot, lambda: app.player is not None and app.player.view.stage is Stage.WRITING)
        await pilot.press("w")
        await says(app, pilot, "there is no slate yet")
        writer.gate.set()
        await says(app, pilot, "taste:1 showed 3 of 25 prompts, after 1 pick")
        assert isinstance(app.screen, WhyScreen)

    drive(app, steps)


def test_help_palette_and_the_key_line_of_a_small_window_know_both_keys(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        screen = await asked(app, pilot, 1)
        does = {line.keys: line.does for line in help_lines(screen)}
        offered = {command.help for command in app.get_system_commands(screen)}
        assert {does["w"], does["b"]} <= offered
        assert "to please or to learn" in does["w"]
        line = shown_text(app).splitlines()[-1]
        assert "w Why" in line and "b Belief" in line and "s Save" in line
        await pilot.press("question_mark")
        await says(app, pilot, "Escape closes")
        assert app.screen.query_one("#help").max_scroll_y == 0, "80x24 shows all of it"

    drive(app, steps)


def test_a_random_slate_is_drawn_by_chance(tmp_path: Path) -> None:
    app = tasting_app(tmp_path, "random")

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("w")
        await says(app, pilot, "drawn at random, one of each category", "by chance")
        assert "±" not in shown_text(app)
        await pilot.press("escape", "2", "enter")
        await asked(app, pilot, 2)
        await pilot.press("w")
        await says(app, pilot, "drawn at random", "±", "after 1 pick")
        await pilot.press("escape", "b")
        await says(app, pilot, "turn 1: column 2")

    drive(app, steps)


def test_a_blind_session_shows_no_word_of_a_prompt_and_no_category(tmp_path: Path) -> None:
    app = tasting_app(tmp_path, blind=True)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("1", "enter")
        await asked(app, pilot, 2)
        await pilot.press("w")
        await says(app, pilot, "column 3", "±", "--blind hides prompts and categories")
        assert not re.search(r"prompt [0-9a-f]|category \d", shown_text(app))
        await pilot.press("escape", "b")
        await says(app, pilot, "the column you took", "--blind hides")
        assert not re.search(r"prompt [0-9a-f]|category \d|prompts say", shown_text(app))

    drive(app, steps)


def test_a_study_offers_neither(tmp_path: Path) -> None:
    app = tasting_app(tmp_path, study=True)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("w", "b")
        await pilot.pause()
        assert isinstance(app.screen, TurnScreen)
        assert "does nothing now" in shown_text(app)
        assert "Belief" not in shown_text(app)

    drive(app, steps)


def test_a_session_without_a_taste_says_so(tmp_path: Path) -> None:
    app = tasting_app(tmp_path, "random", no_taste=True)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("b")
        await says(app, pilot, "this session learns no taste")
        await pilot.press("escape", "w")
        await says(app, pilot, "drawn at random")

    drive(app, steps)


def test_a_session_with_nothing_to_learn_by_has_no_such_keys(tmp_path: Path) -> None:
    app = small_app(tmp_path, Request("a cat", flags={"turns": 1, "columns": 2, "images": 1}))

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("b", "w")
        assert isinstance(app.screen, TurnScreen)

    drive(app, steps)


def test_what_cannot_be_found_out_is_said_and_the_slate_goes_on(tmp_path: Path) -> None:
    calls = 0

    async def dying(texts: Sequence[str]) -> Embedding:
        nonlocal calls
        calls += 1
        raise WorkerError("the worker died")

    app = tasting_app(tmp_path, "random", dying)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("1", "enter")
        await asked(app, pilot, 2)
        await pilot.press("b")
        await says(app, pilot, "the worker died")
        await pilot.press("escape", "w")
        await says(app, pilot, "drawn at random")
        await pilot.press("escape", "1", "enter")
        await asked(app, pilot, 3)

    drive(app, steps)
    assert calls


def test_what_could_not_be_found_out_is_asked_once_more_when_it_is_shown_again(tmp_path: Path) -> None:
    calls, dead = 0, True

    async def dying(texts: Sequence[str]) -> Embedding:
        nonlocal calls
        calls += 1
        if dead:
            raise WorkerError("the worker died")
        return await embed(texts)

    app = tasting_app(tmp_path, "random", dying)

    async def steps(pilot: Pilot[Any]) -> None:
        nonlocal dead
        await asked(app, pilot, 1)
        await pilot.press("1", "enter")
        await asked(app, pilot, 2)
        await pilot.press("b")
        await says(app, pilot, "the worker died")
        before = calls
        await pilot.press("1", "2", "3")
        await pilot.pause()
        assert calls == before
        dead = False
        await pilot.press("b", "b")
        await says(app, pilot, "turn 1: column 1")

    drive(app, steps, WIDE)


def test_a_slow_answer_holds_up_no_key(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(texts: Sequence[str]) -> Embedding:
        if any("prompt" in text for text in texts):
            await gate.wait()
        return await embed(texts)

    app = tasting_app(tmp_path, "random", slow)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("w")
        await says(app, pilot, "one moment")
        await pilot.press("escape", "2")
        await says(app, pilot, "takes column 2")
        gate.set()

    drive(app, steps)


def test_a_resumed_session_believes_what_it_did(tmp_path: Path) -> None:
    app = tasting_app(tmp_path)
    shown: list[str] = []

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        await pilot.press("b")
        await says(app, pilot, "turn 1: column 2", "its likeness")
        shown.extend(box(app))

    drive(app, steps)
    assert app.opened is not None
    again = tasting_app(tmp_path)
    desk = replace(again._desk, request=Request(None, resume=app.opened.session.id, flags={}))
    again._desk = desk

    async def later(pilot: Pilot[Any]) -> None:
        await asked(again, pilot, 2)
        await pilot.press("b")
        await until(pilot, lambda: box(again) == shown)

    drive(again, later)


def test_the_belief_looks_as_it_did(tmp_path: Path, svg: SnapshotAssertion) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        await pilot.press("b")
        await says(app, pilot, "turn 1: column 2")
        await pilot.pause()
        assert app.export_screenshot() == svg

    drive(app, steps, WIDE)


def test_the_reasons_look_as_they_did(tmp_path: Path, svg: SnapshotAssertion) -> None:
    app = tasting_app(tmp_path)

    async def steps(pilot: Pilot[Any]) -> None:
        await asked(app, pilot, 1)
        await pilot.press("2", "enter")
        await asked(app, pilot, 2)
        await pilot.press("w")
        await says(app, pilot, "standard deviation")
        await pilot.pause()
        assert app.export_screenshot() == svg

    drive(app, steps)
