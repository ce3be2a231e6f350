"""The GPU benchmark as a process: its smallest parts, on a machine that lacks most libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench import gpu_table

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
