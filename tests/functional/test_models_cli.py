"""`pasta models` and `pasta profiles` as processes: fetched, killed, resumed, verified and removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support import small_writers
from tests.support.commands import PASTA, complaint, pasta
from tests.support.hub_server import COMMIT, Hub, serving

HEADER = json.dumps(
    {"decoder.conv_in.weight": {"dtype": "U8", "shape": [4_000_000], "data_offsets": [0, 4_000_000]}}
).encode()
WEIGHTS = struct.pack("<Q", len(HEADER)) + HEADER + np.random.default_rng(1).bytes(4_000_000)
LORA = json.dumps({"a.lora_down.weight": {"dtype": "U8", "shape": [900], "data_offsets": [0, 900]}}).encode()
LORA = LORA.ljust(92)
STYLE = struct.pack("<Q", len(LORA)) + LORA + bytes(900)
PROFILE = f"""
extends = "micro"
[painter]
vae = {{ hub = "somebody/vae", revision = "{COMMIT}", file = "vae.safetensors", licence = "MIT" }}
loras = [{{ hub = "somebody/loras", file = "style.safetensors" }}]
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {
        "somebody/vae": {"vae.safetensors": WEIGHTS},
        "somebody/loras": {"style.safetensors": STYLE},
    }
    with serving(Hub(files)) as hub:
        yield hub


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config" / "profiles").mkdir(parents=True)
    (tmp_path / "config" / "profiles" / "mine.toml").write_text(PROFILE)
    (tmp_path / "config" / "profiles" / "other.toml").write_text('extends = "mine"\n[painter]\nloras = []\n')
    return {
        "HF_ENDPOINT": hub.endpoint,
        "PASTA_CONFIG_DIR": str(tmp_path / "config"),
        "PASTA_MODELS_DIR": str(tmp_path / "cache"),
    }


def test_a_dry_run_says_sizes_and_fetches_nothing(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    run = pasta("models", "pull", "mine", "--dry-run", "--json", env=env)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert [(row["parts"], row["missing_bytes"], row["licence"]) for row in report["parts"]] == [
        (["mine.vae"], len(WEIGHTS), "MIT"),
        (["mine.lora-1"], 1000, None),
    ]
    assert report["missing_bytes"] == len(WEIGHTS) + 1000 and report["free_bytes"] > 0
    assert report["pulled"] is False and not (tmp_path / "cache").exists()
    assert not [path for path, _ in hub.requests if "/resolve/" in path]


def test_a_killed_pull_goes_on_where_it_was(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.pause = 0.05
    running = subprocess.Popen(
        [*PASTA, "models", "pull", "mine.vae"], env={**os.environ, **env}, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    part: list[Path] = []
    while time.monotonic() < deadline and not (part and part[0].stat().st_size > 500_000):
        time.sleep(0.02)
        part = list((tmp_path / "cache").rglob("*.pasta.incomplete"))
    running.send_signal(signal.SIGKILL)
    running.communicate()
    begun = part[0].stat().st_size
    assert 500_000 < begun < len(WEIGHTS)

    listed = {
        tuple(row["parts"]): row for row in json.loads(pasta("models", "list", "--json", env=env).stdout)
    }
    vae = listed["mine.vae", "other.vae"]
    assert vae["problem"] == "is not on this machine" and vae["partial_bytes"] == begun

    hub.pause = 0.0
    hub.requests.clear()
    run = pasta("models", "pull", "mine", env=env)
    assert run.returncode == 0, run.stderr
    assert [given for path, given in hub.requests if path.endswith("vae.safetensors")] == [f"bytes={begun}-"]
    assert "everything has arrived and was checked" in run.stderr
    assert f"{begun // 10**6}/4 MB" in run.stderr and "4/4 MB" in run.stderr
    assert not list((tmp_path / "cache").rglob("*.incomplete"))

    hub.requests.clear()
    assert (
        pasta("models", "pull", "mine.vae", env={**env, "HF_ENDPOINT": "http://127.0.0.1:9"}).returncode == 0
    )
    assert pasta("models", "verify", env=env).returncode == 0
    assert hub.requests == []


def test_what_is_damaged_is_found_and_what_others_need_stays(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    assert pasta("models", "pull", "mine", env=env).returncode == 0
    blob = next(file for file in (tmp_path / "cache").rglob("blobs/*") if file.stat().st_size == len(WEIGHTS))
    blob.write_bytes(b"\0" + WEIGHTS[1:])
    run = pasta("models", "verify", "mine", "--json", env=env)
    assert run.returncode == 3
    assert {row["file"]: row["problem"] for row in json.loads(run.stdout)} == {
        "vae.safetensors": "is damaged",
        "style.safetensors": None,
    }
    assert "'pasta models remove mine.vae' and pull it again" in run.stderr

    assert "asks first" in complaint(pasta("models", "remove", "mine", env=env), 2)
    run = pasta("models", "remove", "mine", "--yes", "--json", env=env)
    assert run.returncode == 0, run.stderr
    assert "somebody/vae@0123456789ab stays: other.vae needs it too (name it as well" in run.stderr
    report = json.loads(run.stdout)
    assert [row["bytes"] for row in report["removed"]] == [1000]
    assert blob.exists()
    assert pasta("models", "remove", "mine", "other", "--yes", env=env).returncode == 0
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_writer_that_is_no_instruct_model_is_named_at_once(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    plain = small_writers.instruct(tmp_path / "plain.gguf", template=None)
    hub.files["somebody/writer"] = {"plain.gguf": plain.read_bytes()}
    profile = tmp_path / "config" / "profiles" / "plain.toml"
    profile.write_text(
        'extends = "micro"\n[writer]\nchat = true\n'
        f'model = {{ hub = "somebody/writer", revision = "{COMMIT}", file = "plain.gguf" }}\n'
    )
    assert pasta("models", "pull", "plain", env=env).returncode == 0
    for command in (
        ("profiles", "check", "plain"),
        ("models", "verify", "plain"),
        ("session", "a cat", "--profile", "plain", "--rater", "planted:0"),
    ):
        run = pasta(*command, env=env)
        assert run.returncode == 3 and len(run.stderr.splitlines()) <= 2, run.stderr
        assert "has no chat template: it is no instruct model" in run.stderr.splitlines()[-1]
        assert "name an instruct GGUF" in run.stderr
        if command[0] == "models":
            problem, size, name = run.stdout.partition(" 4.0 MB    ")
            assert size and problem == "has no chat template: it is no instruct model"
            assert name == "somebody/writer@0123456789ab plain.gguf\n"
    profile.write_text(profile.read_text().replace("true", "false"))
    assert pasta("models", "verify", "plain", env=env).returncode == 0


def test_what_has_arrived_without_its_name_is_pulled(env: dict[str, str], tmp_path: Path) -> None:
    assert pasta("models", "pull", "mine", env=env).returncode == 0
    for repo in (tmp_path / "cache").iterdir():
        shutil.rmtree(repo / "snapshots")
    assert pasta("models", "verify", "mine", env=env).returncode == 3
    run = pasta("models", "pull", "mine", "--dry-run", "--json", env=env)
    rows = json.loads(run.stdout)["parts"]
    assert [(row["missing_bytes"], row["complete"]) for row in rows] == [(0, False)] * 2
    assert pasta("models", "pull", "mine", env=env).returncode == 0
    assert pasta("models", "verify", "mine", env=env).returncode == 0


def test_a_profile_that_cannot_be_read_stops_a_removal(env: dict[str, str], tmp_path: Path) -> None:
    assert pasta("models", "pull", "mine", env=env).returncode == 0
    (tmp_path / "config" / "profiles" / "other.toml").write_text("extends = [")
    assert "other cannot be read" in complaint(pasta("models", "remove", "mine", "--yes", env=env), 2)
    assert pasta("models", "verify", "mine", env=env).returncode == 0


def test_what_cannot_be_pulled_is_one_line(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    del hub.files["somebody/vae"]
    line = complaint(pasta("models", "pull", "mine", env=env), 3)
    assert "has no model somebody/vae" in line
    line = complaint(pasta("models", "pull", "mine", env={**env, "HF_ENDPOINT": "http://127.0.0.1:9"}), 3)
    assert "cannot be reached" in line
    assert "HF_HUB_OFFLINE is set" in complaint(
        pasta("models", "pull", "mine", env={**env, "HF_HUB_OFFLINE": "1"}), 3
    )
    assert "not fetched from a hub" in complaint(pasta("models", "pull", "micro", env=env), 2)
    assert "not fetched from a hub" in complaint(pasta("models", "pull", "mine.clip", env=env), 2)
    assert "no profile" in complaint(pasta("models", "pull", "nothing", env=env), 2)
    assert not (tmp_path / "cache").exists()


def test_a_session_without_its_weights_names_the_pull(env: dict[str, str]) -> None:
    line = complaint(pasta("session", "a cat", "--profile", "sdxl", "--rater", "planted:0", env=env), 3)
    assert "get it with 'pasta models pull sdxl'" in line


def test_profiles_are_listed_shown_and_checked(env: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "config" / "profiles" / "broken.toml"
    broken.write_text('extends = "micro"\n[painter]\nstps = 3\n')
    listed = {row["name"]: row for row in json.loads(pasta("profiles", "list", "--json", env=env).stdout)}
    assert listed["micro"]["problem"] is None and listed["micro"]["shipped"]
    assert 'did you mean "steps"' in listed["broken"]["problem"] and not listed["broken"]["shipped"]
    assert "pasta models pull mine" in listed["mine"]["problem"]

    shown = json.loads(pasta("profiles", "show", "sdxl", "--json", env=env).stdout)
    painter = next(part for part in shown["parts"] if part["role"] == "painter")
    assert (
        painter["licence"] == "CreativeML Open RAIL++-M"
        and "stable-diffusion-xl-base-1.0" in painter["source"]
    )
    assert shown["settings"]["painter.steps"] == 30

    assert pasta("profiles", "check", env=env).stdout == "micro: ok\n"
    run = pasta("profiles", "check", "micro", "mine", "--json", env=env)
    assert run.returncode == 3
    assert [(row["name"], row["ok"]) for row in json.loads(run.stdout)] == [("micro", True), ("mine", False)]
    assert pasta("profiles", "check", "broken", "mine", env=env).returncode == 2
    assert pasta("doctor", env=env).returncode == 0
