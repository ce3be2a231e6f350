"""Compiling the painter: asked for in every layer of the settings, and no reason not to paint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pasta_core.configuration import configure
from pasta_core.painter import diffusers_painter
from pasta_core.painter.compiling import begin_compiling, compile_problem, stop_compiling
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.worker.server import parse
from pasta_tui.console.connect import worker_for


def test_it_is_asked_for_by_a_flag_the_environment_or_a_file(tmp_path: Path) -> None:
    assert not configure({}, {}, tmp_path).compile
    assert configure({"compile": True}, {}, tmp_path).compile
    assert configure({}, {"PASTA_COMPILE": "1"}, tmp_path).compile
    (tmp_path / "pasta.toml").write_text("compile = true\n")
    config = configure({}, {}, tmp_path)
    assert config.compile
    assert "--compile" in worker_for(config, config.profile, lambda text: None)._command
    plain = replace(config, compile=False)
    assert "--compile" not in worker_for(plain, config.profile, lambda text: None)._command
    assert parse(["--profile", "micro", "--compile"]).compile and not parse([]).compile


def test_compiled_code_is_kept_in_the_cache_unless_the_environment_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    for given, kept in (
        (None, tmp_path / "inductor"),
        # what importing diffusers leaves behind
        (Path(default_cache_dir()).absolute(), tmp_path / "inductor"),
        (tmp_path / "mine", tmp_path / "mine"),
    ):
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        monkeypatch.setenv("TRITON_CACHE_DIR", "kept")
        if given is not None:
            monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(given))
        module = torch.nn.Linear(2, 2)
        begin_compiling(module, tmp_path)
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(kept)
        assert os.environ["TRITON_CACHE_DIR"] == "kept"
        assert module._compiled_call_impl is not None
        stop_compiling(module)
        assert module._compiled_call_impl is None


def compiled_by(work: Any) -> Any:
    """What stands in for `begin_compiling`: a UNet that runs `work` instead of itself."""

    def begin(unet: Any, cache: Path | None) -> None:
        unet._compiled_call_impl = lambda *args, **named: work(unet, *args, **named)

    return begin


def painted(painter: DiffusersPainter, notes: list[str]) -> Any:
    batches = painter.paint(["a red train"], [[1, 2]], note=notes.append)
    return np.stack([pixels for batch in batches for *_, pixels in batch])


def test_what_cannot_be_compiled_is_painted_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    profile = replace(load_profile("micro", locate({})).painter, steps=2, pass_size=2)
    notes: list[str] = []
    plain = painted(DiffusersPainter.load(profile), notes)

    def fails(unet: Any, *args: Any, **named: Any) -> Any:
        raise TorchDynamoException("\n  no C++ compiler was found\nand much more")

    monkeypatch.setattr(diffusers_painter, "begin_compiling", compiled_by(fails))
    painter = DiffusersPainter.load(replace(profile, compile=True))
    for _ in range(2):
        assert np.array_equal(painted(painter, notes), plain)
    told = "the painter cannot be compiled here and runs as it is: no C++ compiler was found"
    assert notes == ["the painter is compiled, which takes minutes the first time", told]

    rows: list[int] = []

    def counts(unet: Any, *args: Any, **named: Any) -> Any:
        rows.append(len(args[0]))
        return unet._call_impl(*args, **named)

    notes.clear()
    monkeypatch.setattr(diffusers_painter, "begin_compiling", compiled_by(counts))
    halfway = replace(profile, compile=True, guidance_until=0.5)
    painted(DiffusersPainter.load(halfway, lanes=2), notes)
    # both shapes are compiled before the first image is waited for, then they are used
    assert rows == [4, 2, 4, 2]
    assert notes == ["the painter is compiled, which takes minutes the first time"]
    assert compile_problem(ValueError("another error")) == ""
