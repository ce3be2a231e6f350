"""Headless sessions of the command line, as the kill tests run them: real workers, a planted rater."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pasta_core.errors import ModelUnavailable
from pasta_core.models import require_models
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from tests.random_models import build_clip, build_painter, build_writer
from tests.support.killing import Line, Program, check_files, comparable, run

LONGEST_DELAY = 0.3
"""Seconds after an image at which a process is killed at the latest: long enough to meet the next step."""

SHIPPED = "micro"


@dataclass(frozen=True)
class SessionModels:
    """The profile that sessions run on, and the environment in which it is found."""

    profile: str = SHIPPED
    env: Mapping[str, str] = field(default_factory=dict)


def session_models(folder: Path) -> SessionModels:
    """The shipped models; where they are not all trained yet, ones of their shape, made in `folder`."""
    try:
        require_models(load_profile(SHIPPED, locate(os.environ)))
    except ModelUnavailable:
        return _random_models(folder)
    return SessionModels()


def _random_models(folder: Path) -> SessionModels:
    build_painter(folder / "painter", channels=(32, 64))
    build_clip(folder / "clip")
    build_writer(folder / "writer.gguf")
    profiles = folder / "config" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "random.toml").write_text(
        f'[writer]\nmodel = "{folder}/writer.gguf"\ntemplate = "assets:templates/micro-writer.txt"\n'
        f'[painter]\nmodel = "{folder}/painter"\nsize = 64\nsteps = 4\nguidance = 1.0\npass_size = 4\n'
        f'[clip]\nmodel = "{folder}/clip"\n'
    )
    return SessionModels("random", {"PASTA_CONFIG_DIR": str(profiles.parent)})


def session_program(data: Path, turns: int, models: SessionModels) -> Program:
    """A session of a planted rater, with a fixed seed and a data directory of its own."""
    pasta = [sys.executable, "-m", "pasta_tui", "session", "--json"]
    options = ["--profile", models.profile, "--rater", "planted:0", "--turns", str(turns), "--seed", "7"]
    env = {**models.env, "PASTA_DATA_DIR": str(data), "PASTA_LOGS_DIR": str(data / "logs")}
    return Program([*pasta, "a red train in the snow", *options], [*pasta, "--resume", "last"], data, env)


def images_of(turns: int) -> int:
    """How many images such a session paints, turn 0 included."""
    return 4 + 16 * turns


def uninterrupted(program: Program, turns: int) -> list[Line]:
    """What the session prints when nothing happens to it."""
    done = run(program, program.begin)
    assert done.code == 0, done.log
    assert [line["event"] for line in done.lines] == ["turn"] * turns + ["final"]
    check_files(done.lines)
    return comparable(done.lines)
