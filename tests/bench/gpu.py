"""What the full-size models take on this machine: `python -m tests.bench.gpu [--parts paint,score]`.

True architectures with random weights, made on the device: nothing is fetched, and speed does not depend on
the values. Each part runs our way beside the plain way of diffusers and transformers, in turn, in this one
run, and sets both against what the machine's matrix products and copies reach. Prints JSON, one line a
finding, as soon as it is known; `--out` keeps the lines, and `python -m tests.bench.gpu_table` makes a table
of them. Without a GPU the sizes are small and seconds are processor time: that only shows that it all runs.

A part that does not fit into memory, or lacks a library, says so, and the others go on. `--seconds` is shared
by the parts; a part repeats its measurements while its share lasts.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from tests.bench.gpu_compare import Bench
from tests.bench.gpu_machine import Machine
from tests.bench.gpu_sizes import SMALL, Sizes

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Part:
    """A function of a module, which is imported only then, and its share of the time."""

    module: str
    share: float


PARTS: Mapping[str, Part] = {
    "score": Part("gpu_scoring", 1),
    "clip": Part("gpu_encoding", 1),
    "user": Part("gpu_user_step", 1),
    "decode": Part("gpu_decoding", 2),
    "few": Part("gpu_painting", 3),
    "value": Part("gpu_value_step", 3),
    "paint": Part("gpu_painting", 8),
}
"""In this order: what is short comes first, so that a run that is cut off has most of them."""


def run_parts(names: Sequence[str], bench: Bench, sizes: Sizes) -> bool:
    """Run parts, each within its share of the time until `bench.end`; whether none failed."""
    sound = True
    for place, name in enumerate(names):
        if time.monotonic() > bench.end:
            bench.report({"part": name, "skipped": "no time left"})
            continue
        share = PARTS[name].share / sum(PARTS[one].share for one in names[place:])
        sound &= _run_part(name, bench, share, sizes)
        bench.machine.tidy()
    return sound


def _run_part(name: str, bench: Bench, share: float, sizes: Sizes) -> bool:
    try:
        work = getattr(importlib.import_module(f"tests.bench.{PARTS[name].module}"), name)
        # the libraries have been imported by now, which is nobody's share
        now = time.monotonic()
        work(replace(bench, deadline=now + (bench.end - now) * share), sizes)
    except torch.OutOfMemoryError as error:
        bench.report({"part": name, "does_not_fit": _first_line(error)})
    except ModuleNotFoundError as error:
        bench.report({"part": name, "missing": str(error.name).partition(".")[0]})
    except Exception as error:  # the parts after it must still run
        bench.report({"part": name, "failed": f"{type(error).__name__}: {_first_line(error)}"})
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


def _sizes(small: bool, changes: Sequence[str]) -> Sizes:
    """The sizes, with NAME=NUMBER pairs in their place."""
    sizes = SMALL if small else Sizes()
    numbers = {one.name for one in fields(Sizes) if type(getattr(sizes, one.name)) is int}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in numbers or not number.isdecimal():
            raise SystemExit(f"{change!r} is none of {', '.join(sorted(numbers))} with a number")
        sizes = replace(sizes, **{name: int(number)})
    return sizes


def _names(told: str | None) -> list[str]:
    names = list(PARTS) if told is None else told.split(",")
    if strange := [name for name in names if name not in PARTS]:
        raise SystemExit(f"there is no part {strange[0]!r}; the parts are {', '.join(PARTS)}")
    return names


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench.gpu")
    parser.add_argument("--parts", help=f"some of {','.join(PARTS)}; all without it")
    parser.add_argument("--seconds", type=float, default=540.0, help="what all parts have together")
    parser.add_argument("--small", action="store_true", help="narrow models; always so without a GPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--set", action="append", default=[], metavar="SIZE=N", help="change a size")
    parser.add_argument("--compile", action="store_true", help="measure compiled painting too")
    parser.add_argument("--out", type=Path, help="write the lines there as well")
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 where a part failed."""
    asked = _asked()
    end = time.monotonic() + asked.seconds
    machine = Machine(asked.device)
    sizes = replace(_sizes(asked.small or not machine.cuda, asked.set), compiled=asked.compile)
    names = _names(asked.parts)
    if asked.out:
        asked.out.write_text("")

    def report(line: dict[str, Any]) -> None:
        text = json.dumps({name: value for name, value in line.items() if value is not None})
        print(text, flush=True)
        if asked.out:
            with asked.out.open("a") as out:
                out.write(text + "\n")

    limits = machine.limits(sizes.product, sizes.copied)
    report(
        {
            "part": "machine",
            **machine.describe(),
            "sizes": "full" if sizes.full else "small",
            "gemm_tflop_per_second": float(f"{limits.flops / 1e12:.4g}"),
            "copy_gb_per_second": float(f"{limits.bytes / 1e9:.4g}"),
            "command": " ".join(["python -m tests.bench.gpu", *sys.argv[1:]]),
        }
    )
    machine.tidy()
    bench = Bench(machine, limits, end, end, report, sizes.rounds)
    return 0 if run_parts(names, bench, sizes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
