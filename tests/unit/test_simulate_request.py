"""Which engine a simulation is asked to run on, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput
from pasta_tui.cli._simulate import Request, check_engine


def check(tmp_path: Path, engine: str, env: Mapping[str, str] | None = None, **typed: Any) -> None:
    plain = {"cluster": None, "painters": 0, "writers": 0, "worker": None}
    asked = plain | typed
    flags = {"profile": None, "worker": asked.pop("worker")}
    request = Request(
        trajectories=1,
        out=tmp_path / "out",
        users="planted",
        selector="random",
        prompts=None,
        engine=engine,
        resume=False,
        seed=0,
        images=False,
        embeddings=False,
        at_once=1,
        flags=flags,
        as_json=False,
        **asked,
    )
    check_engine(request, configure(flags, {"PASTA_CONFIG_DIR": str(tmp_path), **(env or {})}, tmp_path))


def test_an_engine_takes_what_is_its_own(tmp_path: Path) -> None:
    check(tmp_path, "local")
    check(tmp_path, "local", worker="ssh gpubox pasta worker")
    check(tmp_path, "ray", cluster="auto", painters=2, writers=1)
    check(tmp_path, "ray", {"PASTA_WORKER": "ssh gpubox pasta worker"}, worker="")


@pytest.mark.parametrize(
    ("engine", "env", "typed", "words", "hint"),
    [
        ("cloud", {}, {}, "there is no engine 'cloud'", "local or ray"),
        (
            "ray",
            {},
            {"worker": "pasta worker"},
            "not in the worker that --worker names",
            "leave --worker out",
        ),
        ("ray", {"PASTA_WORKER": "pasta worker"}, {}, "that PASTA_WORKER names", '--worker ""'),
        ("local", {}, {"cluster": "auto"}, "--cluster is for --engine ray", "add --engine ray"),
        ("local", {}, {"painters": 2}, "--painters is for --engine ray", "leave --painters out"),
        ("local", {}, {"writers": 2}, "--writers is for --engine ray", "leave --writers out"),
    ],
)
def test_what_says_nothing_to_an_engine_is_refused(
    tmp_path: Path, engine: str, env: Mapping[str, str], typed: Mapping[str, Any], words: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(tmp_path, engine, env, **typed)
    assert words in refused.value.message and hint in refused.value.hint


def test_a_worker_of_the_project_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "pasta.toml").write_text('worker = "pasta worker"')
    with pytest.raises(InvalidInput, match=r"that .*pasta\.toml names"):
        check(tmp_path, "ray")
