"""`pasta models pull`: what would be fetched, how large it is, and then the fetching."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.hub.cache import is_fixed
from pasta_core.hub.pull import Pull, free_bytes
from pasta_core.hub.pull import pull as fetch
from pasta_core.hub.remote import Remote
from pasta_core.models import inspect_part
from pasta_core.paths import locate
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.plain.profiles import amount, source_text
from pasta_tui.plain.weights import Weights, named_weights

__all__ = ["pull"]


def pull(names: Sequence[str], dry_run: bool, to: Path | None, as_json: bool) -> None:
    """Say what is missing, then fetch it unless `dry_run`. Raises `InvalidInput` or `ModelUnavailable`."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    root = paths.models[0] if to is None else to.expanduser().absolute()
    chosen = named_weights(names, paths if to is None else replace(paths, models=(root,)))
    rows, pulls = [], []
    for weights in chosen:
        known = is_fixed(weights.hub) and not any(file.problem for file in inspect_part(weights.part))
        one = None if known else Pull(Remote.ask(weights.hub), root)
        missing = 0 if one is None else one.size - one.arrived()
        size = sum(file.size for file in inspect_part(weights.part)) if one is None else one.size
        whole = one is None or one.is_whole()
        rows.append(_row(weights, size, missing, whole))
        if one is not None and not whole:
            pulls.append(one)
    report = {
        "to": str(root),
        "bytes": sum(row["bytes"] for row in rows),
        "missing_bytes": sum(row["missing_bytes"] for row in rows),
        "free_bytes": free_bytes(root),
        "parts": rows,
    }
    _say(report, out)
    if pulls and not dry_run:
        # counted in whole MB, as a rate of bytes has too many digits to be read
        pace = Pace(out, "MB")
        fetch(pulls, lambda done, total: pace.report(done // 10**6, total // 10**6))
        out.end_progress()
        out.message("everything has arrived and was checked")
    if as_json:
        out.document({**report, "pulled": bool(pulls) and not dry_run})
    if to is not None and not dry_run:
        out.note(f"set PASTA_MODELS_DIR={root} for pasta to find them")


def _row(weights: Weights, size: int, missing: int, whole: bool) -> dict[str, Any]:
    return {
        "source": source_text(weights.part),
        "parts": weights.names,
        "licence": weights.part.source.licence or None,
        "bytes": size,
        "missing_bytes": missing,
        "complete": whole,
    }


def _say(report: dict[str, Any], out: Output) -> None:
    for row in report["parts"]:
        state = "is here" if row["complete"] else f"{amount(row['missing_bytes'])} to fetch"
        licence = row["licence"] or "licence unknown"
        out.data(f"{amount(row['bytes']):10}{state:20}{row['source']} ({licence})")
    free = amount(report["free_bytes"])
    out.data(f"{amount(report['missing_bytes'])} to fetch into {report['to']}, where {free} are free")
