"""Slates by a value model: the worker's verb, a whole session, and what a person sees of the values."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.domain import Candidate, Choice, History, Slate, Turn
from pasta_core.errors import ModelUnavailable
from pasta_core.worker.services import Worker, local_command
from tests.support.commands import complaint, pasta
from tests.support.interface import request_for, shown_text, small_app, until
from tests.support.paid_trajectories import write_base

SHOWN = (Candidate("a red train at night", "light"), Candidate("a red train, wide shot", "view"))
ASKED = (Candidate("a red train in the snow", "setting"), *SHOWN)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("value-model")
    write_base(folder)
    return folder


def test_the_worker_values_as_the_model_itself_does(model: Path, tmp_path: Path) -> None:
    history = History("a red train", turns=(Turn(1, SHOWN, Slate((0, 1)), (), Choice(1)),))

    async def ask() -> list[Any]:
        async with Worker(local_command("micro"), tmp_path / "log", handshake=120) as worker:
            values = await worker.valuer(str(model)).values(history, ASKED)
            with pytest.raises(ModelUnavailable, match="there is no value model in"):
                await worker.valuer(str(tmp_path / "nowhere")).values(history, ASKED)
            return list(values)

    found = asyncio.run(ask())
    expected = score(load_value_model(model), ValueRequest.from_history(history, ASKED))
    assert found == pytest.approx(list(expected), abs=1e-5)
    assert len(set(found)) == 3


def test_a_session_shows_what_the_model_values_most(model: Path, tmp_path: Path) -> None:
    env = {"PASTA_DATA_DIR": str(tmp_path / "data")}
    done = pasta(
        *("session", "a red train", "--rater", "planted:0", "--json", "--turns", "1", "--images", "1"),
        *("--seed", "3", "--selector", f"value:{model.name}"),
        env=env,
        cwd=model.parent,
    )
    assert done.returncode == 0, done.stderr
    turn, final = map(json.loads, done.stdout.splitlines())
    candidates = tuple(Candidate(it["prompt"], it["category"]) for it in turn["candidates"])
    values = score(load_value_model(model), ValueRequest.from_history(History("a red train"), candidates))
    best = {
        name: max(value for value, it in zip(values, candidates, strict=True) if it.category == name)
        for name in {it.category for it in candidates}
    }
    assert turn["values"] == pytest.approx([values[index] for index in turn["slate"]], abs=1e-5)
    assert sum(turn["values"]) == pytest.approx(sum(sorted(best.values())[-4:]), abs=1e-4)
    assert final["selector"] == f"value:{model}", "it means the same from any directory"


def test_a_path_without_a_value_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    for typed, code in (
        (("--profile", "sdxl", "--selector", "value"), 2),
        (("--selector", f"softmax:{tmp_path}"), 3),
        (("--selector", "value:nowhere"), 3),
    ):
        command = ("session", "a cat", "--rater", "planted:0", *typed)
        assert "no value model" in complaint(pasta(*command), code)
    said = complaint(pasta("session", "a cat", "--rater", "planted:0", "--selector", "valued"), 2)
    assert "value[:PATH]" in said


def test_values_stand_beside_the_prompts_and_go_with_them(model: Path, tmp_path: Path) -> None:
    request = request_for()
    app = small_app(tmp_path, replace(request, flags={**request.flags, "selector": f"value:{model}"}))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "turn 1 of 2" in shown_text(app) and "7.5" in shown_text(app))
        await pilot.press("p")
        assert "7.50" not in shown_text(app)

    async def run() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await steps(pilot)

    asyncio.run(run())
