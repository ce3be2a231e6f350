"""The report on user types in simulated data (App. C.2), as a table and as JSON."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pasta_core.data.trajectories import read_sensible
from pasta_core.engines.fingerprints import user_model_digest
from pasta_core.errors import InvalidInput
from pasta_core.files import appearing_folder
from pasta_core.simulation.identifiability import PairOfTypes, TypeReport, type_report
from pasta_tui.console.output import Output

__all__ = ["report_types"]


def report_types(data: Path, as_json: bool, model: Path | None = None, target: Path | None = None) -> None:
    """Say which pairs of types the data tells apart, and which types are one.

    With a user model and a target the model is written there with each such group as one type.
    """
    out = Output(os.environ, as_json)
    if (model is None) != (target is None):
        raise InvalidInput("merging needs a user model and a place", "write --merge MODEL --out DIR")
    report = type_report(read_sensible(data))
    if model is not None and target is not None:
        _merge(report, model, target)
        out.message(f"{report.types} types merged into {len(report.groups)}: {target}")
    if as_json:
        out.document(_document(report) | {"merged": None if target is None else str(target)})
        return
    for line in _lines(report):
        out.data(line)


def _merge(report: TypeReport, folder: Path, target: Path) -> None:
    """Write the user model that the data was simulated with, each group of types as one."""
    from pasta_core.users.merging import merged
    from pasta_core.users.model_files import CLIP_FOLDER, load_user_model, save_user_model

    model = load_user_model(folder)
    if not user_model_digest(folder).startswith(report.users.removeprefix("model:")):
        raise InvalidInput(
            f"the data was not simulated with the user model in {folder}", "name the one that it was"
        )
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InvalidInput(f"{target} is not an empty folder", "choose another --out")
    groups = [list(group) for group in report.groups]
    with appearing_folder(target) as partial:
        if (folder / CLIP_FOLDER).is_dir():
            shutil.copytree(folder / CLIP_FOLDER, partial / CLIP_FOLDER)
        save_user_model(
            merged(model, report.groups), partial, {"merged_from": report.users, "groups": groups}
        )


def _document(report: TypeReport) -> dict[str, Any]:
    return {
        "trajectories": report.trajectories,
        "slates": report.slates,
        "counts": list(report.counts),
        "pairs": [
            asdict(pair)
            | {"choices_separate": pair.choices_separate, "rewards_separate": pair.rewards_separate}
            for pair in report.pairs
        ],
        "groups": [list(group) for group in report.groups],
    }


def _lines(report: TypeReport) -> list[str]:
    told = sum(pair.separate for pair in report.pairs)
    lines = [
        f"{report.trajectories:,} trajectories, {report.slates:,} slates, {report.types} types",
        "",
        "types    trajectories  nats a trajectory  difference  told apart by",
        *(_line(pair) for pair in report.pairs),
        "",
        f"{told} of {len(report.pairs)} pairs are told apart",
    ]
    merged = [group for group in report.groups if len(group) > 1]
    if merged:
        names = "; ".join(", ".join(map(str, group)) for group in merged)
        lines.append(f"one type each, by this data: {names}")
    return lines


def _line(pair: PairOfTypes) -> str:
    nats = "too few" if pair.nats is None else f"{pair.nats:.2f} ± {pair.half_width:.2f}"
    by = [
        name
        for name, does in (("choices", pair.choices_separate), ("rewards", pair.rewards_separate))
        if does
    ]
    names, told = f"{pair.first} and {pair.second}", " and ".join(by) or "nothing"
    return f"{names:9}{pair.trajectories:12,}  {nats:>17}  {pair.difference:10.2f}  {told}"
