"""`pasta models pull`: what would be fetched, how large it is, and then the fetching."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.errors import ModelUnavailable
from pasta_core.hub.cache import is_fixed
from pasta_core.hub.keeping import partial_bytes
from pasta_core.hub.pull import Pull, free_bytes
from pasta_core.hub.pull import pull as fetch
from pasta_core.hub.remote import HubUnreachable, Remote
from pasta_core.models import inspect_part
from pasta_core.paths import locate
from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace
from pasta_tui.plain.profiles import amount, source_text
from pasta_tui.plain.weights import Weights, named_weights

__all__ = ["pull"]


def pull(names: Sequence[str], dry_run: bool, to: Path | None, as_json: bool) -> None:
    """Say what is missing, then fetch it unless `dry_run`. Raises `InvalidInput` or `ModelUnavailable`.

    A dry run without a network says what the profiles know, and then that the hub cannot be reached.
    """
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    root = paths.models[0] if to is None else to.expanduser().absolute()
    chosen = named_weights(names, paths if to is None else replace(paths, models=(root,)))
    rows, pulls, unreachable = _looked_up(chosen, root, go_on=dry_run)
    report = {
        "to": str(root),
        "bytes": sum(row["bytes"] or 0 for row in rows),
        "missing_bytes": sum(row["missing_bytes"] or 0 for row in rows),
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
    if unreachable is not None:
        raise ModelUnavailable(
            unreachable.message, "sizes are those of the profile, exact ones need the network"
        ) from unreachable


def _looked_up(
    chosen: Sequence[Weights], root: Path, go_on: bool
) -> tuple[list[dict[str, Any]], list[Pull], HubUnreachable | None]:
    """What is missing of each source, and what to fetch of it.

    To `go_on` where the hub cannot be reached is to take the profile's word for the rest; returned is why.
    """
    rows: list[dict[str, Any]] = []
    pulls: list[Pull] = []
    unreachable: HubUnreachable | None = None
    for weights in chosen:
        known = is_fixed(weights.hub) and not any(file.problem for file in inspect_part(weights.part))
        one = None
        # asked once: every further question would wait as long as the first
        if not known and unreachable is None:
            try:
                one = Pull(Remote.ask(weights.hub), root)
            except HubUnreachable as error:
                if not go_on:
                    raise
                unreachable = error
        if one is not None:
            rows.append(_row(weights, one.size, one.size - one.arrived(), one.is_whole()))
            pulls += [] if one.is_whole() else [one]
        else:
            rows.append(_row_as_declared(weights, root))
    return rows, pulls, unreachable


def _row_as_declared(weights: Weights, root: Path) -> dict[str, Any]:
    """What is known without a hub: what lies here, and of what lacks the size that the profile names."""
    files = inspect_part(weights.part)
    here = sum(file.size for file in files)
    if not any(file.problem for file in files):
        return {**_row(weights, here, 0, True), "exact": is_fixed(weights.hub)}
    size = weights.part.source.bytes or None
    missing = None if size is None else max(size - here - partial_bytes(weights.hub, root), 0)
    return {**_row(weights, size, missing, False), "exact": False}


def _row(weights: Weights, size: int | None, missing: int | None, whole: bool) -> dict[str, Any]:
    return {
        "source": source_text(weights.part),
        "parts": weights.names,
        "licence": weights.part.source.licence or None,
        "bytes": size,
        "missing_bytes": missing,
        "complete": whole,
        "exact": True,
    }


def _say(report: dict[str, Any], out: Output) -> None:
    rows = report["parts"]
    for row in rows:
        lacks = "to fetch" if row["missing_bytes"] is None else f"{amount(row['missing_bytes'])} to fetch"
        state = "is here" if row["complete"] else lacks
        size = "unknown" if row["bytes"] is None else amount(row["bytes"])
        out.data(f"{size:10}{state:20}{row['source']} ({row['licence'] or 'licence unknown'})")
    unknown = any(row["bytes"] is None for row in rows)
    about = "" if all(row["exact"] for row in rows) else "at least " if unknown else "about "
    free = amount(report["free_bytes"])
    out.data(f"{about}{amount(report['missing_bytes'])} to fetch into {report['to']}, where {free} are free")
