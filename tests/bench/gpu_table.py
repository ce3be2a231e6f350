"""The GPU benchmark's lines as tables of `docs/performance.md`: `python -m tests.bench.gpu_table FILE...`.

Each file is what `python -m tests.bench.gpu --out FILE` wrote. What stands between the page's two marks is
replaced; `--into` names another page. Nothing is left out: a way that did not fit or run says so in its row.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

TITLES = {
    "score": "Valuing a turn's candidates",
    "clip": "Embedding with CLIP",
    "user": "A step of the user model",
    "decode": "Decoding",
    "few": "Painting a turn in few steps",
    "value": "A step of the value model",
    "paint": "Painting a turn with guidance",
}
REASONS = ("does_not_fit", "does_not_run", "skipped", "missing", "failed")
MARKS = {"seconds_to_first_images": "first images", "seconds_to_last_preview": "last preview"}
MEASURED = {
    *(
        "part",
        "way",
        "seconds",
        "fastest",
        "slowest",
        "repeats",
        "tflop",
        "tflop_per_second",
        "floor_seconds",
    ),
    *("bound_by", "share_of_limit", "peak_gib", "times_faster_than_plain", "times_faster_than_best_plain"),
    *("notes", *MARKS),
}
"""What a row or its cells tell; everything else is a fact of the sizes, told once above the table."""


def tables(lines: Iterable[Mapping[str, Any]]) -> str:
    """The Markdown of one run or several; a run begins with the line of its machine."""
    runs: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = []
    for line in lines:
        if line["part"] == "machine":
            runs.append((line, []))
        elif not runs:
            raise SystemExit("the lines do not begin with their machine's")
        else:
            runs[-1][1].append(line)
    return "\n".join(text for machine, found in runs for text in (_machine(machine), *_parts(found)))


def _machine(line: Mapping[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {line[name]}"
        for name in ("cuda", "python", "torch", "diffusers", "transformers")
        if name in line
    )
    return (
        f"### {line['device']}, {line['sizes']} sizes\n\n"
        f"{versions}. Products reach {line['gemm_tflop_per_second']} TFLOP/s, copies "
        f"{line['copy_gb_per_second']} GB/s. Seconds are {line['clock']}. `{line['command']}`\n"
    )


def _parts(lines: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for part, title in TITLES.items():
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for line in lines:
            if line["part"] == part:
                groups.setdefault(_facts(line), []).append(line)
        for facts, rows in groups.items():
            yield f"**{title}**" + (f": {facts}" if facts else "") + "\n"
            yield "| way | median s | fastest to slowest | TFLOP/s | of the limit | peak GiB | times plain |"
            yield "|---|---|---|---|---|---|---|"
            yield "\n".join(map(_row, rows)) + "\n"


def _facts(line: Mapping[str, Any]) -> str:
    told = {name: value for name, value in line.items() if name not in MEASURED and name not in REASONS}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())


def _row(line: Mapping[str, Any]) -> str:
    name = str(line.get("way", "all of it")).replace("|", "/")
    for reason in REASONS:
        if reason in line:
            why = str(line[reason]).replace("|", "/")
            return f"| {name} | {reason.replace('_', ' ')}: {why} | | | | | |"
    times = line.get("times_faster_than_plain")
    best = line.get("times_faster_than_best_plain")
    faster = "" if times is None else f"{times:.3g}" + ("" if best is None else f" (best plain: {best:.3g})")
    marks = [f"{told} {line[name]:.3g}" for name, told in MARKS.items() if name in line]
    cells = (
        name + (f" ({line['notes']})" if "notes" in line else ""),
        ", ".join([f"{line['seconds']:.3g}", *marks]),
        f"{line['fastest']:.3g} to {line['slowest']:.3g} ({line['repeats']})",
        f"{line['tflop_per_second']:.3g}",
        f"{100 * line['share_of_limit']:.0f} % ({line['bound_by']})",
        f"{line['peak_gib']:.3g}" if "peak_gib" in line else "",
        faster,
    )
    return f"| {' | '.join(cells)} |"


def fill(page: str, text: str) -> str:
    """The page with `text` between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def main() -> None:
    """Fill the page."""
    parser = argparse.ArgumentParser("python -m tests.bench.gpu_table")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=PAGE)
    asked = parser.parse_args()
    lines = [json.loads(line) for file in asked.files for line in file.read_text().splitlines() if line]
    asked.into.write_text(fill(asked.into.read_text(), tables(lines)))


if __name__ == "__main__":
    main()
