"""Sessions whose writer is not the shipped one, as processes: behind an address, and with eyes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.support import small_writers
from tests.support.chat_server import FakeServer, serving, well_formed
from tests.support.commands import pasta
from tests.support.unplugged import attempts, guarded, unplugged

SESSION = ("session", "a red train in the snow", "--rater", "planted:sunny:1", "--seed", "5", "--json")
TEMPLATES = Path(__file__).parents[2] / "assets" / "templates"


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "profiles"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PASTA_CONFIG_DIR", str(folder.parent))
    monkeypatch.setenv("PASTA_DATA_DIR", str(tmp_path / "data"))
    return folder


def test_a_session_writes_with_a_server(profiles: Path, tmp_path: Path) -> None:
    with serving(FakeServer(key="secret")) as server:
        server.answers = [well_formed(words="a red train in place"), "no"]
        text = f'extends = "micro"\n[writer]\nurl = "{server.url}"\ntemplate = "{TEMPLATES / "writer.txt"}"\n'
        (profiles / "served.toml").write_text(text + "images = true\nimage_tokens = 16\n")
        env = {**unplugged(tmp_path, but=server.url), "PASTA_WRITER_KEY": "secret"}
        run = pasta(*SESSION, "--turns", "2", "--profile", "served", env=env)
    assert run.returncode == 0, run.stderr
    assert attempts(tmp_path) == [] and len(guarded(tmp_path)) == 3
    turn = json.loads(run.stdout.splitlines()[0])
    assert len(turn["candidates"]) == 25
    assert all(one["prompt"].startswith("a red train in place") for one in turn["candidates"])
    assert len(server.bodies) == 3
    kinds = [[part["type"] for part in body["messages"][0]["content"]] for body in server.bodies]
    assert [kind.count("image_url") for kind in kinds] == [1, 5, 5]


def test_a_server_that_is_away_ends_the_session_with_one_line(profiles: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    (profiles / "served.toml").write_text(f'extends = "micro"\n[writer]\nurl = "{url}"\n')
    run = pasta(*SESSION, "--turns", "1", "--profile", "served")
    assert run.returncode == 3, run.stderr
    assert f"the writer's server {url} cannot be reached" in run.stderr.splitlines()[-1]
    (profiles / "served.toml").write_text('extends = "micro"\n[writer]\nurl = "gpubox:8080"\n')
    run = pasta(*SESSION, "--turns", "1", "--profile", "served")
    assert run.returncode == 2 and len(run.stderr.splitlines()) == 1
    assert "gpubox:8080" in run.stderr and "http://HOST:PORT" in run.stderr


def test_a_session_writes_with_an_instruct_model_and_its_eyes(profiles: Path, tmp_path: Path) -> None:
    small_writers.turning(tmp_path / "writer.gguf")
    small_writers.qwen_eyes(tmp_path / "mmproj.gguf")
    text = f"""extends = "micro"
[writer]
model = "{tmp_path / "writer.gguf"}"
mmproj = "{tmp_path / "mmproj.gguf"}"
template = "{TEMPLATES / "writer.txt"}"
chat = true
parallel = true
context = 8192
image_tokens = 16
"""
    (profiles / "seeing.toml").write_text(text)
    assert pasta("profiles", "check", "seeing").returncode == 0
    run = pasta(*SESSION, "--turns", "2", "--profile", "seeing", env=unplugged(tmp_path))
    assert run.returncode == 0, run.stderr
    assert attempts(tmp_path) == [] and len(guarded(tmp_path)) == 3
    turns = [json.loads(line) for line in run.stdout.splitlines() if '"turn"' in line]
    assert len(turns) == 2
    assert all(len({one["prompt"] for one in turn["candidates"]}) == 25 for turn in turns)
    small_writers.llava_eyes(tmp_path / "mmproj.gguf", width=256)
    run = pasta(*SESSION, "--turns", "1", "--profile", "seeing")
    assert run.returncode == 3
    assert "mmproj.gguf belongs to another model than writer.gguf" in run.stderr.splitlines()[-1]
