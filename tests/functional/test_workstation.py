"""Whole sessions with other programs' files, as processes and with the network unplugged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasta_core.settings import HubSource
from tests.support.commands import complaint, pasta
from tests.support.hub_cache import keep
from tests.support.hub_server import COMMIT
from tests.support.small_sdxl import (
    save_checkpoint,
    save_config,
    small_lora,
    small_sdxl,
    write_profile,
)
from tests.support.unplugged import attempts, guarded, unplugged


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, the folder of its shapes, and a LoRA, as a person's model folder has them."""
    root = tmp_path_factory.mktemp("models")
    pipe = small_sdxl()
    save_checkpoint(pipe, root / "own.safetensors")
    save_config(pipe, root / "config")
    save_file(small_lora(pipe, "original"), root / "style.safetensors")
    return root


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config" / "profiles").mkdir(parents=True)
    return {**unplugged(tmp_path), "PASTA_CONFIG_DIR": str(tmp_path / "config")}


def profile(env: dict[str, str], models: Path, **painter: object) -> None:
    given = {
        "model": str(models / "own.safetensors"),
        "config": str(models / "config"),
        "steps": 2,
        **painter,
    }
    write_profile(Path(env["PASTA_CONFIG_DIR"]) / "profiles", "own", given)


def test_the_guard_notices_a_network(offline: dict[str, str], tmp_path: Path) -> None:
    code = "import urllib.request as r; r.urlopen('http://127.0.0.1:9')"
    run = subprocess.run(
        [sys.executable, "-c", code], env=offline, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and "unplugged" in run.stderr
    assert any(line.startswith("socket.") for line in attempts(tmp_path))


def test_a_session_paints_with_a_checkpoint_and_a_lora_of_others(
    offline: dict[str, str], models: Path, tmp_path: Path
) -> None:
    # the checkpoint is one that was fetched from a hub, which is not asked again
    keep(tmp_path / "cache", HubSource("somebody/painter", COMMIT, ("own.safetensors",)), models)
    offline["PASTA_MODELS_DIR"] = str(tmp_path / "cache")
    profile(offline, models, loras=[str(models / "style.safetensors")], guidance=5.0)
    own = Path(offline["PASTA_CONFIG_DIR"]) / "profiles" / "own.toml"
    hub = f'{{ hub = "somebody/painter", revision = "{COMMIT}", file = "own.safetensors" }}'
    own.write_text(own.read_text().replace(json.dumps(str(models / "own.safetensors")), hub))
    for words in (("models", "verify", "own"), ("models", "list"), ("profiles", "check", "own"), ("doctor",)):
        assert pasta(*words, env=offline).returncode == 0, words
    run = pasta(
        *("session", "a red train in the snow", "--profile", "own", "--rater", "planted:sunny:1"),
        *("--turns", "1", "--seed", "5", "--json"),
        env=offline,
    )
    assert run.returncode == 0, run.stderr
    turn, end = (json.loads(line) for line in run.stdout.splitlines())
    assert turn["event"] == "turn" and end["event"] != "turn"
    images = [Path(path) for column in turn["images"] for path in column]
    assert len(images) == 16 and all(path.stat().st_size > 100 for path in images)
    assert len({digest for column in turn["sha256"] for digest in column}) == 16
    assert attempts(tmp_path) == []
    processes = "\n".join(guarded(tmp_path))
    assert all(name in processes for name in ("pasta_tui session", "core.worker ", "writer_process"))


def test_images_that_nobody_meant_are_named(offline: dict[str, str], models: Path, tmp_path: Path) -> None:
    tensors = load_file(models / "own.safetensors")
    tensors["first_stage_model.decoder.conv_out.bias"] = torch.full((3,), float("nan"))
    save_file(tensors, tmp_path / "broken.safetensors")
    profile(offline, models, model=str(tmp_path / "broken.safetensors"))
    out = tmp_path / "out"
    run = pasta("paint", "a cat", "--profile", "own", "--images", "1", "--out", str(out), env=offline)
    assert run.returncode == 3
    assert run.stdout == ""
    assert (
        "no number (NaN)" in run.stderr.splitlines()[-1]
        and "sdxl-vae-fp16-fix" in run.stderr.splitlines()[-1]
    )
    assert not list(out.glob("*.png"))


def test_a_checkpoint_of_another_family_is_refused_before_anything_loads(
    offline: dict[str, str], models: Path, tmp_path: Path
) -> None:
    tensors = load_file(models / "own.safetensors")
    renamed = {name.replace("conditioner.embedders.0", "cond_stage_model"): tensors[name] for name in tensors}
    save_file(renamed, tmp_path / "sd15.safetensors")
    (tmp_path / "short.safetensors").write_bytes((models / "own.safetensors").read_bytes()[:-1])
    for name, said in (("sd15", "is an SD1.x checkpoint, not SDXL"), ("short", "is cut short")):
        profile(offline, models, model=str(tmp_path / f"{name}.safetensors"))
        line = complaint(pasta("paint", "a cat", "--profile", "own", env=offline), 3)
        assert said in line and name in line
