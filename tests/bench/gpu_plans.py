"""What choosing takes of a turn with a value model of full size: `python -m tests.bench.gpu_plans`.

Prints the rows of a table in Markdown: the estimates of `pasta plan` for each profile with Gemma 2B as its
value model, on GPUs of several sizes. Nothing is computed or fetched: of the model a header stands in a file,
which is all that a plan reads of it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pasta_core.paths import locate
from pasta_core.planning.machine import imagined
from pasta_core.planning.plan import Plan, make_plan
from pasta_core.planning.verdict import duration
from pasta_core.profiles import load_profile
from tests.bench import gpu_models

SIZES = (80, 24, 16, 12)
PROFILES = ("turbo", "sdxl")


def write_gemma(folder: Path) -> None:
    """What a plan reads of Gemma 2B: its shapes, as the header of a file without values."""
    model = gpu_models.made(lambda: gpu_models.gemma(True), torch.device("meta"), torch.float32)
    header = {
        name: {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [0, 0]}
        # tied weights come once
        for name, weight in model.named_parameters()
    }
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    (folder / "config.json").write_text(json.dumps({"hidden_size": model.config.hidden_size}))


def row(gigabytes: float, plans: Sequence[Plan]) -> str:
    """A machine's line: who values where, the steps of a turn, and what share of it choosing is."""
    first, *others = plans
    place = next(part.lives for part in first.parts if part.role == "value model")
    steps = first.times.steps
    shares = [plan.times.steps["select"].seconds / plan.times.turn.seconds for plan in plans]
    also = "; ".join(
        f"`{plan.profile}`: {_percent(share)}" for plan, share in zip(others, shares[1:], strict=True)
    )
    cells = (
        f"{gigabytes:g} GB, {first.times.like}",
        place,
        *(duration(steps[name].seconds) for name in ("write", "select", "paint")),
        duration(first.times.turn.seconds),
        f"{_percent(shares[0])} ({also})",
    )
    return f"| {' | '.join(cells)} |"


def rows() -> list[str]:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        write_gemma(Path(name))
        paths = locate(os.environ)
        profiles = [replace(load_profile(one, paths), value_model=Path(name)) for one in PROFILES]
        return [row(size, [make_plan(profile, imagined(size)) for profile in profiles]) for size in SIZES]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def main() -> None:
    """Plan and print."""
    print("\n".join(rows()))


if __name__ == "__main__":
    main()
