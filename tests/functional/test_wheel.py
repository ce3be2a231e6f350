"""The wheel alone: what it carries, and that an empty environment with it runs a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; without the variables that would let it see this checkout."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment and return its `pasta`.

    The libraries are the locked ones of the environment that runs the tests: a `.pth` file adds their folder.
    The `.pth` files in there are not read, so that the editable install of this checkout stays unseen.
    """
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "virtualenv", "-q", "--no-download", environment, cwd=environment)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, cwd=environment)
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment)
    Path(purelib.strip(), "locked-libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "pasta"


def test_the_assets_travel_in_the_wheel(wheel: Path) -> None:
    shipped = {
        f"pasta_core/_assets/{path.relative_to(ROOT / 'assets').as_posix()}"
        for path in (ROOT / "assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    carried = set(zipfile.ZipFile(wheel).namelist())
    assert "pasta_core/_assets/profiles/micro.toml" in shipped
    assert shipped <= carried


def test_shipped_files_stay_small() -> None:
    sizes = {path: path.stat().st_size for path in (ROOT / "assets").rglob("*") if path.is_file()}
    assert {path: size for path, size in sizes.items() if size > 16 * MIB} == {}
    assert sum(size for path, size in sizes.items() if "micro" in path.parts) <= 48_000_000


def test_an_installed_wheel_is_not_this_checkout(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python")
    found = run(python, "-c", "import pasta_core; print(pasta_core.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parents[1])
    assert "session" in run(installed, "--help", cwd=tmp_path)


def test_an_installed_wheel_runs_a_session(installed: Path, tmp_path: Path) -> None:
    options = ("--rater", "planted:0", "--turns", "1", "--json")
    printed = run(installed, "session", "a red train in the snow", *options, cwd=tmp_path)
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["event"] for event in events if event["event"] in {"turn", "final"}] == ["turn", "final"]
    final = events[-1]
    assert final["event"] == "final"
    assert final["prompt"]
    assert len(final["images"]) == 4
    assert all(Path(image).is_file() for image in final["images"])
