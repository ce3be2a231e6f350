"""Whole sessions under the profiles that ship for a workstation, and all else that runs models, unplugged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from PIL import Image
from safetensors.torch import save_file

from pasta_core.configuration import configure
from pasta_core.domain import History
from pasta_core.events import Event, ImagePreview, ImageReady
from pasta_core.painter.lora import add_lora
from pasta_core.paths import find_assets
from pasta_core.settings import Lora, PainterProfile
from pasta_tui.desk import Desk
from pasta_tui.plain.request import Request
from pasta_tui.screens.requests import StartRequest
from tests.support import small_writers
from tests.support.commands import pasta
from tests.support.preference_sets import write_hpd_test
from tests.support.small_gemmas import save_small_adapter, templates
from tests.support.small_sdxl import small_lora, small_sdxl
from tests.support.unplugged import attempts, guarded, unplugged
from tests.support.workstation import Workstation, furnish

PROMPT = "a red train in the snow"
SEED = 5
PROCESSES = ("pasta_tui session", "core.worker ", "writer_process")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Workstation:
    return furnish(tmp_path_factory.mktemp("station"))


@pytest.fixture(scope="module")
def turbo(station: Workstation) -> list[dict[str, Any]]:
    """The turns of a session under `turbo`, and how it ended."""
    return played(station, station.extend("turbo"), "--turns", "1")


def played(station: Workstation, profile: str, *options: str) -> list[dict[str, Any]]:
    """A session of a planted rater, as a process that reaches no network."""
    folder = station.root / profile
    folder.mkdir()
    asked = ("session", PROMPT, "--rater", "planted:0", "--seed", str(SEED), "--json")
    run = pasta(*asked, "--profile", profile, *options, env={**station.env, **unplugged(folder)})
    assert run.returncode == 0, run.stderr
    assert attempts(folder) == []
    commands = "\n".join(guarded(folder))
    assert all(process in commands for process in PROCESSES), commands
    *turns, end = map(json.loads, run.stdout.splitlines())
    assert end["event"] == "final" and end["profile"] == profile
    return turns


def painted(station: Workstation, turn: Mapping[str, Any], column: int, index: int) -> tuple[Any, int]:
    """An image that a session keeps, and the seed of its noise."""
    shown = pasta("sessions", "show", turn["session"], "--json", env=station.env)
    (told,) = [one for one in json.loads(shown.stdout)["turns"] if one["turn"] == turn["turn"]]
    (found,) = [one for one in told["images"] if (one["column"], one["index"]) == (column, index)]
    return np.asarray(Image.open(found["path"])), found["seed"]


def by_diffusers(pipe: Any, painter: PainterProfile, prompt: str, seed: int) -> Any:
    """What diffusers itself makes of the same models, settings and noise."""
    given = json.loads((painter.scheduler or painter.config / "scheduler/scheduler_config.json").read_text())
    kinds = (EulerDiscreteScheduler, EulerAncestralDiscreteScheduler)
    kind = {kind.__name__: kind for kind in kinds}[given["_class_name"]]
    pipe.scheduler = kind.from_config(given)
    pipe.set_progress_bar_config(disable=True)
    image = pipe(
        prompt,
        height=painter.size,
        width=painter.size,
        num_inference_steps=painter.steps,
        guidance_scale=painter.guidance,
        negative_prompt=painter.negative or None,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    return np.asarray(image)


def differences(ours: Any, theirs: Any) -> Any:
    return np.abs(ours.astype(int) - theirs.astype(int))


def test_what_the_profiles_pin_is_found_whole_in_the_shared_cache(
    station: Workstation, tmp_path: Path
) -> None:
    env = {**station.env, **unplugged(tmp_path)}
    for command in (("profiles", "check"), ("models", "verify")):
        for profile in ("turbo", "sdxl"):
            run = pasta(*command, profile, env=env)
            assert run.returncode == 0, run.stderr
    assert attempts(tmp_path) == []


def test_a_session_under_turbo_paints_what_turbo_says(
    station: Workstation, turbo: Sequence[Mapping[str, Any]]
) -> None:
    (turn,) = turbo
    assert len({one["prompt"] for one in turn["candidates"]}) == 25
    assert len({digest for column in turn["sha256"] for digest in column}) == 16
    painter = station.profile("small-turbo").painter
    assert (painter.steps, painter.guidance, painter.pass_size, painter.dtype) == (4, 1.0, 16, "auto")
    ours, seed = painted(station, turn, 2, 1)
    shown = turn["candidates"][turn["slate"][2]]["prompt"]
    theirs = by_diffusers(station.pipes["turbo"], painter, shown, seed)
    assert ours.shape == (64, 64, 3) and ours.std() > 5
    assert differences(ours, theirs).max() <= 1


def test_previews_of_turbo_come_before_its_images_and_change_none(
    station: Workstation,
    turbo: Sequence[Mapping[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    env = {**station.env, **unplugged(tmp_path), "PASTA_DATA_DIR": str(tmp_path / "data")}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    request = Request(PROMPT, flags={"profile": "small-turbo", "turns": 1}, seed=SEED, rater="planted:0")
    desk = Desk(request, configure(request.flags, env, tmp_path), env, tmp_path)
    events: list[Event] = []
    notes: list[str] = []

    def nobody() -> Any:
        raise AssertionError("a person was asked")

    async def play() -> History:
        async with desk.opening(StartRequest(PROMPT, first=True), notes.append) as opened:
            return await opened.run(nobody, events.append)

    history = asyncio.run(play())
    assert attempts(tmp_path) == [] and len(guarded(tmp_path)) == 2
    digests = [[image.sha256 for image in column] for column in history.turns[-1].columns]
    assert digests == turbo[0]["sha256"]
    for column in range(4):
        looks = [
            (it.index, isinstance(it, ImageReady))
            for it in events
            if isinstance(it, (ImagePreview, ImageReady)) and (it.turn, it.column) == (1, column)
        ]
        for index in range(4):
            # a look after each of the four steps, and then the image
            assert [ready for place, ready in looks if place == index] == [False] * 4 + [True]
    previews = [it.pixels for it in events if isinstance(it, ImagePreview) and it.turn == 1]
    assert {pixels.shape for pixels in previews} == {(64, 64, 3)}
    assert len({pixels.tobytes() for pixels in previews}) == 64
    assert any("has no value model" in note for note in notes)


def test_a_session_under_sdxl_in_half_precision_with_all_that_can_be_added(station: Workstation) -> None:
    folder = station.root / "own"
    folder.mkdir()
    small_writers.qwen_eyes(folder / "mmproj.gguf")
    gemma = save_small_adapter("gemma3_text", folder, templates(), "sdxl")
    pipe = small_sdxl(2)
    save_file(small_lora(pipe, "kohya"), folder / "style.safetensors")
    # SDXL's own autoencoder, which overflows in half precision as the real one does
    with torch.no_grad():
        pipe.vae.decoder.conv_in.weight.mul_(1e5)
    pipe.vae.save_pretrained(folder / "vae")
    name = station.extend(
        "sdxl",
        f'steps = 3\ndtype = "float16"\nvae = "{folder / "vae"}"\nloras = ["{folder / "style.safetensors"}"]',
        f'value_model = "{gemma}"',
        f'mmproj = "{folder / "mmproj.gguf"}"\nimage_tokens = 16',
    )
    turns = played(station, name, "--turns", "2")
    assert [turn["turn"] for turn in turns] == [1, 2]
    for turn in turns:
        assert len({one["prompt"] for one in turn["candidates"]}) == 25
        # nobody is known yet: what tells the candidates of the first turn apart is the Gemma
        assert len(set(turn["all_values"])) > 10
        assert len({digest for column in turn["sha256"] for digest in column}) == 16
    painter = station.profile(name).painter
    assert (painter.guidance, painter.pass_size) == (5.0, 8)
    add_lora(pipe, Lora(folder / "style.safetensors"), "cpu")
    ours, seed = painted(station, turns[1], 3, 2)
    shown = turns[1]["candidates"][turns[1]["slate"][3]]["prompt"]
    apart = differences(ours, by_diffusers(pipe, painter, shown, seed))
    # measured: 0.1 for the precision, 1 for a tenth less guidance, 12 without the LoRA
    assert ours.std() > 5 and apart.mean() < 0.5


def test_what_simulates_trains_and_measures_reaches_no_network(tmp_path: Path) -> None:
    env = {
        **unplugged(tmp_path),
        "PASTA_TURNS": "2",
        "PASTA_COLUMNS": "2",
        "PASTA_IMAGES": "1",
        "PASTA_CATEGORIES": "2",
        "PASTA_PER_CATEGORY": "1",
    }
    simulated, hpd = tmp_path / "simulated", write_hpd_test(tmp_path / "hpd", 2)
    small = ("--set", "batch=4", "--set", "tokens=2000", "--set", "report_every=1", "--steps", "2")
    data = ("--data", f"trajectories:{simulated}")
    commands = (
        ("simulate", "--trajectories", "4", "--out", str(simulated)),
        ("train-value-model", *data, "--reward", "sparse", *small, "--out", str(tmp_path / "value")),
        ("data", "embed", f"hpd:{hpd}"),
        ("evaluate", "user-model", str(find_assets() / "micro/user-model"), "--data", f"hpd:{hpd}"),
    )
    for command in commands:
        run = pasta(*command, "--json", env=env)
        assert run.returncode == 0, (command, run.stderr)
        assert any(f"pasta_tui {command[0]}" in line for line in guarded(tmp_path))
    assert attempts(tmp_path) == []
    assert (tmp_path / "value" / "model.safetensors").is_file()
    assert json.loads(run.stdout)["hpd_spearman"]["n"] == 4
