"""The GPU benchmark as a process: its smallest parts, on a machine that lacks most libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import gpu, gpu_table
from tests.bench.gpu_compare import Bench
from tests.bench.gpu_machine import Limits, Machine
from tests.bench.gpu_sizes import SMALL

ROOT = Path(__file__).parents[2]

BARE = """
import runpy, sys
for name in ("diffusers", "open_clip", "llama_cpp", "textual", "typer", "platformdirs"):
    sys.modules[name] = None
runpy.run_module("tests.bench.gpu", run_name="__main__", alter_sys=True)
"""
"""A machine with torch and transformers, and none of what paints, writes or draws a terminal."""


def test_it_measures_what_it_can_and_names_what_it_lacks(tmp_path: Path) -> None:
    out = tmp_path / "lines.jsonl"
    parts = "score,value,decode,clip,paint"
    run = subprocess.run(
        [sys.executable, "-c", BARE, "--small", "--device", "cpu", "--parts", parts, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert out.read_text() == run.stdout
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert lines[0]["part"] == "machine" and lines[0]["sizes"] == "small"
    assert {line["part"]: line["missing"] for line in lines if "missing" in line} == {
        "decode": "diffusers",
        "clip": "open_clip",
        "paint": "diffusers",
    }
    scores = [line for line in lines if line["part"] == "score"]
    assert len(scores) == 3 and all(line["repeats"] >= 1 and line["seconds"] > 0 for line in scores)
    # the two ways value candidates alike
    assert scores[0]["standard_deviation"] > 0
    assert scores[0]["largest_difference"] < 1e-4 * scores[0]["standard_deviation"]
    separate, packed = (line for line in lines if line["part"] == "value")
    assert packed["tflop"] < separate["tflop"] / 2
    # and learn alike
    assert packed["packed_loss"] > 0
    assert abs(packed["packed_loss"] - packed["separate_loss"]) < 1e-4 * packed["packed_loss"]
    page = gpu_table.fill((ROOT / "docs" / "performance.md").read_text(), gpu_table.tables(lines))
    assert "pasta, packed" in page and "missing: open_clip" in page


def test_every_other_part_runs_with_what_paints() -> None:
    lines: list[dict[str, Any]] = []
    now = time.monotonic()
    bench = Bench(Machine("cpu"), Limits(1e11, 1e10), now, now + 500, lines.append, rounds=1)
    sizes = replace(SMALL, pixels=32, steps=2, images=2, texts=2, labels=32)
    assert gpu.run_parts(["clip", "user", "decode", "few", "paint"], bench, sizes), lines
    assert all(line["seconds"] > 0 for line in lines), lines
    assert {line["part"] for line in lines} == {"clip", "user", "decode", "few", "paint"}
    painted = {line["way"]: line for line in lines if line["part"] == "paint"}
    assert painted["pasta, guidance_until 0.6"]["tflop"] <= painted["pasta"]["tflop"]
    assert all("notes" not in line for line in lines)
    # what is compared paints the same
    assert all(line["mean_difference"] < 0.1 for line in lines if line["part"] in ("few", "paint"))
    few = {line["way"]: line for line in lines if line["part"] == "few"}
    assert (
        0
        < few["plain, a call a prompt"]["seconds_to_first_images"]
        < few["plain, a call a prompt"]["seconds"]
    )
    previewed = few["pasta, preview TAESDXL"]
    assert 0 < previewed["seconds_to_last_preview"] < previewed["seconds"]
