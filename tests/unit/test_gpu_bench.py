"""The pieces of the GPU benchmark: what it counts, times, leaves out, and writes into the page."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pasta_core.errors import ModelUnavailable
from tests.bench import gpu, gpu_plans
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_flops import by_kind, decode_flops, gemma_flops, painted_flops, unet_flops, unet_pass
from tests.bench.gpu_machine import Limits, Machine
from tests.bench.gpu_models import ASSETS
from tests.bench.gpu_sizes import SMALL, Sizes
from tests.bench.gpu_table import fill, tables
from tests.bench.gpu_trajectories import random_example

HUGE = 1 << 60


def bench(lines: list[dict[str, Any]], seconds: float = 60.0, rounds: int = 4) -> Bench:
    now = time.monotonic()
    limits = Limits(flops=1e12, bytes=1e10)
    return Bench(Machine("cpu"), limits, now + seconds, now + seconds, lines.append, rounds)


def multiply(side: int) -> Callable[[], object]:
    matrix = torch.randn(side, side)
    return lambda: matrix @ matrix


def test_a_way_that_counts_nothing_is_counted() -> None:
    lines: list[dict[str, Any]] = []
    compare(bench(lines), "part", [Way("plain", multiply(128)), Way("pasta", multiply(64))], {"size": 1})
    plain, ours = lines
    assert plain["tflop"] == pytest.approx(2 * 128**3 / 1e12, rel=1e-3)
    assert ours["tflop"] == pytest.approx(2 * 64**3 / 1e12, rel=1e-3)
    assert plain["floor_seconds"] == pytest.approx(2 * 128**3 / 1e12, rel=1e-3)
    assert ours["times_faster_than_plain"] == pytest.approx(plain["seconds"] / ours["seconds"], rel=1e-3)
    assert "times_faster_than_plain" not in plain and plain["size"] == 1
    assert plain["repeats"] == ours["repeats"] == 4


def test_ways_are_timed_forth_and_back() -> None:
    calls: list[str] = []
    ways = [Way(name, lambda name=name: calls.append(name), 1.0) for name in ("plain", "pasta")]
    compare(bench([], rounds=2), "part", ways, {})
    assert calls == ["plain", "pasta", "plain", "pasta", "pasta", "plain"]


def test_a_shorter_call_warms_up_and_is_not_timed() -> None:
    calls: list[str] = []
    lines: list[dict[str, Any]] = []
    marks: dict[str, list[float]] = {"half": []}

    def call(name: str, half: float) -> None:
        calls.append(name)
        marks["half"].append(half)

    whole, short = (lambda: call("whole", 3.0)), (lambda: call("short", 9.0))
    compare(bench(lines, rounds=2), "part", [Way("plain", whole, 1.0, warm=short, marks=marks)], {})
    assert calls == ["short", "whole", "whole"]
    assert lines[0]["half"] == 3.0


def test_the_least_of_two_floors_is_no_floor() -> None:
    lines: list[dict[str, Any]] = []
    compare(bench(lines), "part", [Way("plain", lambda: None, flops=1e9, bytes=1e9)], {})
    assert lines[0]["bound_by"] == "copy" and lines[0]["floor_seconds"] == pytest.approx(0.1)


def test_a_better_plain_way_is_named_beside_the_documented_one() -> None:
    lines: list[dict[str, Any]] = []
    ways = [Way("plain, slow", multiply(400)), Way("plain, quick", multiply(40)), Way("pasta", multiply(200))]
    compare(bench(lines), "part", ways, {})
    slow, quick, ours = (line["seconds"] for line in lines)
    assert lines[2]["times_faster_than_plain"] == pytest.approx(slow / ours, rel=1e-2)
    assert lines[2]["times_faster_than_best_plain"] == pytest.approx(min(slow, quick) / ours, rel=1e-2)


def test_what_does_not_fit_says_so_and_the_others_go_on() -> None:
    lines: list[dict[str, Any]] = []
    made = iter([0, HUGE])

    def no_room() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 99 GiB\nmore")

    def painter_without_room() -> None:
        raise ModelUnavailable("there is not enough memory on the device", "close what else uses it")

    ways = [
        Way("plain", multiply(16)),
        Way("at once", no_room, 1.0),
        Way("painter", painter_without_room, 1.0),
        Way("later", lambda: torch.empty(next(made)), 1.0),
        Way("pasta", multiply(16)),
    ]
    compare(bench(lines), "part", ways, {"pixels": 8})
    found = {line["way"]: line for line in lines}
    assert found["at once"]["does_not_fit"] == "CUDA out of memory. Tried to allocate 99 GiB"
    assert "not enough memory" in found["painter"]["does_not_run"]
    assert "does_not_run" in found["later"] and found["later"]["pixels"] == 8
    assert found["plain"]["repeats"] == found["pasta"]["repeats"] == 4


def test_a_part_out_of_time_is_measured_once_and_those_after_it_are_named() -> None:
    lines: list[dict[str, Any]] = []
    compare(bench(lines, seconds=-1.0), "part", [Way("plain", multiply(16))], {})
    assert lines[0]["repeats"] == 1
    assert gpu.run_parts(["score", "clip"], bench(lines, seconds=-1.0), SMALL)
    assert [line["skipped"] for line in lines[1:]] == ["no time left"] * 2


def test_a_part_that_fails_ends_with_one_line_and_a_bad_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setitem(gpu.PARTS, "score", gpu.Part("gpu_sizes", 1))
    assert not gpu.run_parts(["score"], bench(lines), SMALL)
    assert [line["part"] for line in lines] == ["score"] and "AttributeError" in lines[0]["failed"]


def test_floors_add_up() -> None:
    pass_, decoding = unet_flops(False, 64), decode_flops(False, 64)
    assert painted_flops(False, 64, 30, 30) == 60 * pass_ + decoding
    assert painted_flops(False, 64, 30, 18) == 48 * pass_ + decoding
    assert decode_flops(False, 64, tiny=True) < decoding
    # what reads the prompt does not grow with the picture
    assert 3 * pass_ < unet_flops(False, 128) < 16 * pass_


def test_sdxl_is_counted_as_others_count_it() -> None:
    kinds = by_kind(unet_pass(True, 1024))
    # diffusers' own benchmark data has 5.98 TFLOP for SDXL's UNet, by a counter that leaves attention out
    assert sum(kinds.values()) - kinds["bmm"] == pytest.approx(5.98e12, rel=2e-3)


def test_reading_a_history_once_saves_its_tokens() -> None:
    one, together = gemma_flops(False, 200, (12,)), gemma_flops(False, 200, (12,) * 25)
    # two products of 3 layers, 4 heads and 16 dimensions over the square of the row; the rest goes by tokens
    square = 2 * 2 * 3 * 4 * 16
    a_token = (one - square * 212**2) / 212
    assert together == 500 * a_token + square * 500**2
    assert together < 25 * one / 4


def test_a_trajectory_grows_as_prompts_do() -> None:
    example = random_example(0, 5, 256_000)
    at = [branch.at for branch in example.tree.branches[::4]]
    assert len(example.tree.branches) == 20 and at[0] < 40 and 800 < at[-1] < 1300
    assert [end + 1 for end in example.ends] == at and at[-1] == len(example.tree.trunk)
    assert len(example.rewards) == 5 and example.rewards[:4] == (0.0,) * 4
    assert random_example(0, 5, 256_000) == example != random_example(1, 5, 256_000)


def test_sizes_are_changed_by_name() -> None:
    assert gpu._sizes(False, ["pixels=512", "tokens=4096"]) == Sizes(pixels=512, tokens=4096)
    for wrong in ("colour=3", "pixels=many", "full=1", "pixels"):
        with pytest.raises(SystemExit, match=wrong):
            gpu._sizes(True, [wrong])
    with pytest.raises(SystemExit, match="bake"):
        gpu._names("score,bake")


MACHINE = {
    "part": "machine",
    "device": "NVIDIA Test",
    "clock": "wall",
    "torch": "2.11",
    "sizes": "full",
    "gemm_tflop_per_second": 700.0,
    "copy_gb_per_second": 3000.0,
    "command": "python -m tests.bench.gpu",
}


def test_the_table_shows_what_was_measured_and_what_was_not() -> None:
    lines: list[dict[str, Any]] = []
    ways = [Way("plain", multiply(64)), Way("pasta", multiply(32), notes=["memory ran out"])]
    compare(bench(lines), "score", ways, {"dtype": "bfloat16"})
    text = tables([MACHINE, *lines, {"part": "paint", "way": "at once", "does_not_fit": "a|b"}])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "NVIDIA Test" in text and "700.0 TFLOP/s" in text and "dtype bfloat16" in text
    assert f"| {lines[0]['seconds']:.3g} |" in rows[2]
    assert "pasta (memory ran out)" in rows[3] and rows[3].endswith(
        f"| {lines[1]['times_faster_than_plain']:.3g} |"
    )
    assert "does not fit: a/b" in rows[-1]
    assert len({row.count("|") for row in rows}) == 1
    with pytest.raises(SystemExit):
        tables(lines)


def test_a_page_is_filled_between_its_marks_only() -> None:
    page = "before\n<!-- gpu: begin -->\nold\n<!-- gpu: end -->\nafter\n"
    once = fill(page, "new")
    assert once == "before\n<!-- gpu: begin -->\n\nnew\n\n<!-- gpu: end -->\nafter\n"
    assert fill(once, "new") == once
    with pytest.raises(SystemExit):
        fill("nothing here", "new")


def test_passes_are_as_large_as_the_shipped_profiles_have_them() -> None:
    for name, size in (("sdxl", Sizes().passes[0]), ("turbo", Sizes().few_passes[0])):
        table = tomllib.loads((ASSETS / "profiles" / f"{name}.toml").read_text())
        assert table["painter"]["pass_size"] == size


def test_the_page_has_the_rows_that_are_planned_now() -> None:
    page = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "\n".join(gpu_plans.rows()) in page, "python -m tests.bench.gpu_plans"
