"""Language model and painter taking turns: each is gone while the other works, and no byte changes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pasta_core.domain import Candidate, CandidateForm, Choice, History, PaintedImage, Slate, Turn
from pasta_core.paths import locate
from pasta_core.planning.machine import find_machine
from pasta_core.planning.plan import make_plan
from pasta_core.profiles import load_profile
from pasta_core.worker.services import Worker, local_command

PROMPT = "a red train in the snow"


async def write(worker: Worker, seed: int) -> tuple[Candidate, ...]:
    return await worker.writer.write(History(PROMPT), CandidateForm(), 12, seed, lambda *step: None)


async def paint(worker: Worker, prompts: Sequence[str], seeds: list[list[int]]) -> list[PaintedImage]:
    return [image async for image in worker.painter.paint(prompts, seeds, lambda *step: None)]


async def a_turn_and_a_half(worker: Worker) -> tuple[list[Any], list[int | None], list[int | None]]:
    """What is painted and written, the writer's process after each step, and while images appear."""
    made: list[Any] = [[one.image.sha256 for one in await paint(worker, [PROMPT], [[1]])]]
    candidates = await write(worker, 1)
    after: list[int | None] = [(await worker.status())["writer"]]
    made.append(candidates)
    images, during = [], []
    prompts = [candidate.prompt for candidate in candidates[:2]]
    async for one in worker.painter.paint(prompts, [[3, 4], [5, 6]], lambda *step: None):
        images.append(one.image.sha256)
        during.append((await worker.status())["writer"])
    made += [images, await write(worker, 2)]
    after.append((await worker.status())["writer"])
    return made, after, during


def with_memory(mode: str, log: Path) -> tuple[list[Any], list[int | None], list[int | None]]:
    async def run() -> tuple[list[Any], list[int | None], list[int | None]]:
        async with Worker(local_command("micro", "--memory", mode), log, handshake=120) as worker:
            return await a_turn_and_a_half(worker)

    return asyncio.run(run())


def test_what_a_person_should_read_is_said_once_in_a_session(
    tmp_path: Path, own_directories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every turn is written by another process, as here."""
    profiles = tmp_path / "config" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "narrow.toml").write_text('extends = "micro"\n[writer]\ncontext = 384\n')
    monkeypatch.setenv("PASTA_CONFIG_DIR", str(profiles.parent))
    notes: list[str] = []
    writers: list[int | None] = []
    shown = tuple(Candidate(f"{PROMPT} {n} under a green sky of many stars", "") for n in range(4))

    async def run() -> None:
        command = local_command("narrow", "--memory", "swap")
        async with Worker(command, tmp_path / "log", notes.append, handshake=120) as worker:
            image = (await paint(worker, [PROMPT], [[1]]))[0].image
            turn = Turn(1, shown, Slate((0, 1, 2, 3)), ((image,),) * 4, Choice(1))
            for count in (4, 5, 6):
                turns = tuple(replace(turn, number=number + 1) for number in range(count))
                history = History(PROMPT, turns=turns)
                await worker.writer.write(history, CandidateForm(1, 2), 12, count, lambda *step: None)
                writers.append((await worker.status())["writer"])
                await paint(worker, [PROMPT], [[count]])

    asyncio.run(run())
    assert len({*writers, None}) == 4, "a writer for every turn"
    assert notes.count("the writer forgets the oldest turns: its context holds no more (writer.context)") == 1


def test_taking_turns_changes_no_byte(
    tmp_path: Path, own_directories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASTA_CACHE_DIR", str(tmp_path / "cache"))
    together, after, during = with_memory("resident", tmp_path / "resident.log")
    assert len({*after, *during}) == 1 and after[0] is not None, "one writer all the time"

    in_turns, after, during = with_memory("swap", tmp_path / "swap.log")
    assert in_turns == together
    assert set(during) == {None}, "no writer while images are painted"
    assert all(after) and after[0] != after[1], "another one for the next turn"

    measured = json.loads((tmp_path / "cache" / "measured.json").read_text())
    ((machine, profiles),) = measured["machines"].items()
    assert machine.startswith("cpu x") and all(profile.startswith("micro ") for profile in profiles)
    apart, entry = sorted(profiles.values(), key=lambda entry: "hand over" in entry["seconds"])
    assert set(apart["seconds"]) == {"write", "paint"}, "what one mode takes is not known of another"
    assert set(entry["seconds"]) == {"write", "paint", "hand over"}
    assert entry["peaks"]["worker"] > entry["peaks"]["writer"] > 2**24
    # headers say beforehand what the weights take
    for part in make_plan(load_profile("micro", locate(os.environ)), find_machine("cpu")).parts:
        if part.role in ("text encoders", "UNet", "autoencoder", "CLIP"):
            assert entry["peaks"][part.role] == pytest.approx(part.weights, rel=0.01)
