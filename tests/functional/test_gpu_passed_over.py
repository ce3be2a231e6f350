"""A GPU that is there and that PyTorch does not find: the CPU takes its place aloud, or nothing does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from pasta_core.domain import PaintedImage
from pasta_core.errors import ExitCode, ModelUnavailable
from pasta_core.planning.measured import MEASURED
from pasta_core.worker.services import Worker, local_command

CARD = "NVIDIA Imagined 9000"
SAID = f"PyTorch finds none, though there is {CARD}"


def install(tool: Path, free: int) -> None:
    """What looks like NVIDIA's tool, and names a card with so many free MiB."""
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\necho '{CARD}, 24576 MiB, {free} MiB, 570.86.10'\n")
    tool.chmod(0o755)


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """NVIDIA's tool names a card, and the environment shows torch one that is not there; the tool."""
    tool = tmp_path / "bin" / "nvidia-smi"
    install(tool, free=24000)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-00000000-0000-0000-0000-000000000000")
    return tool


def painted(profile: str, log: Path, notes: list[str], times: int = 1) -> list[PaintedImage]:
    async def run() -> list[PaintedImage]:
        async with Worker(local_command(profile), log, notes.append, handshake=120) as worker:
            return [
                image
                for seed in range(times)
                async for image in worker.painter.paint(["a red train"], [[seed]], lambda *step: None)
            ]

    return asyncio.run(run())


@pytest.mark.usefixtures("card")
def test_the_cpu_paints_what_it_can_and_says_so_once(tmp_path: Path, own_directories: Path) -> None:
    notes: list[str] = []
    assert len(painted("micro", tmp_path / "log", notes, times=2)) == 2
    assert notes == [f"the GPU cannot be used, the CPU paints: {SAID}"]
    kept = own_directories / "cache" / "pasta" / MEASURED
    measured = json.loads(kept.read_text())["machines"] if kept.exists() else {}
    assert "paint" not in json.dumps(measured), "a CPU's times are not the card's"


def test_a_card_that_is_full_is_left_to_others(tmp_path: Path, card: Path, own_directories: Path) -> None:
    install(card, free=200)
    notes: list[str] = []
    assert len(painted("micro", tmp_path / "log", notes, times=2)) == 2
    (said,) = notes
    assert said.startswith("micro fits the CPU (")
    assert f"planned without a GPU: {CARD} has 0.2 GiB free" in said
    measured = json.loads((own_directories / "cache" / "pasta" / MEASURED).read_text())["machines"]
    (machine,) = measured
    assert machine.startswith("cpu x") and "paint" in json.dumps(measured[machine])


@pytest.mark.usefixtures("card")
def test_what_a_cpu_takes_too_long_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "config" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "long.toml").write_text('extends = "micro"\n[painter]\nsteps = 100000\n')
    monkeypatch.setenv("PASTA_CONFIG_DIR", str(profiles.parent))
    with pytest.raises(ModelUnavailable) as raised:
        painted("long", tmp_path / "log", [])
    assert raised.value.exit_code == ExitCode.MODEL
    assert raised.value.message == f"the GPU cannot be used: {SAID}"
    assert "--device cpu" in raised.value.hint
