"""The study on the full screen: instructions, the initial prompt, questions by their keys, and the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from pasta_core.configuration import configure
from pasta_core.domain import Comparison, TurnRating
from pasta_core.sessions.store import Store
from pasta_core.study.questions import Topic
from pasta_tui.app import PastaApp
from pasta_tui.plain.request import Request
from pasta_tui.screens.end import EndScreen
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.study import StudyScreen, StudyStartScreen
from pasta_tui.screens.study_questions import EvaluationScreen
from pasta_tui.screens.zoom import ZoomScreen
from pasta_tui.session_state import Stage
from pasta_tui.studying import StudyApp
from pasta_tui.terminal.graphics import Graphics
from tests.support.interface import SmallDesk, drive, request_for, shown_text, until

Steps = Callable[[Pilot[Any]], Awaitable[None]]
SIZES = [(80, 24), (160, 50)]


def study_app(data: Path, request: Request, kind: type[PastaApp] = StudyApp) -> PastaApp:
    env = {"PASTA_DATA_DIR": str(data), "PASTA_CONFIG_DIR": str(data / "config")}
    config = configure(request.flags, env, data)
    return kind(SmallDesk(request, config, env, data), Graphics())


async def choosing(app: PastaApp, pilot: Pilot[Any], turn: int) -> None:
    def now() -> bool:
        view = app.player.view if app.player is not None else None
        return view is not None and view.stage is Stage.ASKING and view.turn == turn

    await until(pilot, now)


async def questions(app: PastaApp, pilot: Pilot[Any]) -> EvaluationScreen:
    await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))
    await pilot.pause()
    assert isinstance(app.screen, EvaluationScreen)
    return app.screen


async def play(app: PastaApp, pilot: Pilot[Any], *choices: str) -> EvaluationScreen:
    """Read the instructions, and choose in every turn."""
    await until(pilot, lambda: isinstance(app.screen, StudyScreen))
    while isinstance(app.screen, StudyScreen):
        await pilot.press("enter")
        await pilot.pause()
    for turn, column in enumerate(choices, start=1):
        await choosing(app, pilot, turn)
        await pilot.press(column, "enter")
    return await questions(app, pilot)


def asked(app: PastaApp) -> str:
    """What the card says."""
    return str(app.screen.query_one("#ask", Static).content)


async def says(app: PastaApp, pilot: Pilot[Any], text: str) -> None:
    """Wait until the card says this: an answer is on the disk before the next question is shown."""
    await until(pilot, lambda: text in asked(app))


def ratings(data: Path) -> list[TurnRating | None]:
    with Store(data) as store:
        return [turn.rating for turn in store.turns(store.find("last").id)][1:]


@pytest.mark.parametrize("size", SIZES)
def test_a_rater_is_told_plays_and_answers(size: tuple[int, int], tmp_path: Path) -> None:
    app = study_app(tmp_path, request_for(None, study=True))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, StudyScreen))
        assert "Before you begin" in shown_text(app)
        while isinstance(app.screen, StudyScreen):
            await pilot.press("enter")
            await pilot.pause()
        assert isinstance(app.screen, StudyStartScreen)
        area = app.screen.query_one(PromptEntry).area
        area.text = " ".join(["word"] * 13)
        await pilot.press("enter")
        assert "at most 12" in shown_text(app)
        area.text = "a red train"
        await pilot.press("enter")
        await choosing(app, pilot, 1)
        assert "category" not in shown_text(app), "prompts and categories are hidden"
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, StudyScreen))
        await pilot.press("escape")
        await pilot.press("2", "c", *"darker", "enter", "enter")
        await choosing(app, pilot, 2)
        await pilot.press("3", "enter")
        screen = await questions(app, pilot)
        await says(app, pilot, "every answer is kept")
        await pilot.press("enter")
        await says(app, pilot, "You took column 2")
        await pilot.press("enter", "4", "5", "3")
        assert screen._evaluation.question is not None
        assert screen._evaluation.question.topic is Topic.RATIONALE
        await pilot.press(*"red", "enter", "4")
        await pilot.press("1", "1", "2", "3", *"more", "enter")
        await until(pilot, lambda: "turn 1, column 2" in shown_text(app))
        assert "turn 2, column 1" in shown_text(app)
        await pilot.press("1", "5")
        await says(app, pilot, "everything is answered")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EndScreen))

    drive(app, steps, size)
    assert ratings(tmp_path) == [
        TurnRating(1, (4, 5, 3), 4, None, "red"),
        TurnRating(0, (1, 2, 3), 5, Comparison.BETTER, "more"),
    ]
    with Store(tmp_path) as store:
        info = store.find("last")
        assert [turn.choice.critique for turn in store.turns(info.id) if turn.choice] == ["darker", ""]
    assert info.made_of.blind
    assert info.rated_at is not None


def test_going_back_skipping_and_looking_closer(tmp_path: Path) -> None:
    app = study_app(tmp_path, request_for(study=True, turns=1))

    async def steps(pilot: Pilot[Any]) -> None:
        await play(app, pilot, "1")
        await pilot.press("enter", "9", "2", "left")
        await says(app, pilot, "You took column 1")
        await pilot.press("3", "z")
        await until(pilot, lambda: isinstance(app.screen, ZoomScreen))
        await pilot.press("escape", "i")
        await until(pilot, lambda: isinstance(app.screen, StudyScreen))
        await pilot.press("escape")
        await pilot.press("1", "right", "2", *"why", "left", "left", "left", "left")
        await says(app, pilot, "Column 3: how")  # the way back leads from the beginning of the text
        await pilot.press("4", "w", "h", "y", "enter", "5")
        await says(app, pilot, "1 question is not answered yet (turn 1)")
        await pilot.press("enter")
        await says(app, pilot, "Column 2: how")
        await pilot.press("2")
        await says(app, pilot, "everything is answered")  # who fills the last gap is at the end
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EndScreen))

    drive(app, steps)
    assert ratings(tmp_path) == [TurnRating(2, (1, 2, 4), 5, None, "why")]


def test_a_rater_goes_on_where_the_answers_end(tmp_path: Path) -> None:
    app = study_app(tmp_path, request_for(study=True, turns=1))

    async def leave(pilot: Pilot[Any]) -> None:
        await play(app, pilot, "2")
        await pilot.press("enter", "1", "4", "ctrl+q")

    drive(app, leave)
    assert app.opened is not None, "the farewell says how to go on"
    assert ratings(tmp_path) == [None]
    again = study_app(tmp_path, Request(resume="last"), PastaApp)

    async def go_on(pilot: Pilot[Any]) -> None:
        await questions(again, pilot)
        assert "question 3 of 6" in shown_text(again)
        await pilot.press("3", "2")
        assert isinstance(again.focused, Input)
        await pilot.press("enter", "1", "enter")
        await until(pilot, lambda: isinstance(again.screen, EndScreen))

    drive(again, go_on)
    assert ratings(tmp_path) == [TurnRating(0, (4, 3, 2), 1, None, "")]
    ended = study_app(tmp_path, Request(resume="last"), PastaApp)
    drive(ended, lambda pilot: until(pilot, lambda: isinstance(ended.screen, EndScreen)))


def test_who_leaves_at_the_instructions_has_begun_nothing(tmp_path: Path) -> None:
    app = study_app(tmp_path, request_for(study=True))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, StudyScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not app.is_running)

    drive(app, steps)
    with Store(tmp_path) as store:
        assert store.sessions() == ()


def test_what_is_gone_on_with_says_itself_whether_it_is_a_study(tmp_path: Path) -> None:
    app = study_app(tmp_path, request_for(study=True))
    assert app._desk._request(StartRequest(prompt="another one")).study
    assert not app._desk._request(StartRequest(resume="20260101-bcdf")).study
