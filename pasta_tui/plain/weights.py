"""Fetched weights on the command line: listed, verified and removed, without a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.hub.cache import folder_of
from pasta_core.hub.keeping import FileCheck, partial_bytes
from pasta_core.hub.keeping import remove as remove_files
from pasta_core.hub.keeping import verify as verify_files
from pasta_core.models import ABSENT, ModelFile, Part, find_parts, inspect_part, parts, remedy
from pasta_core.paths import Paths, locate
from pasta_core.profiles import known_profiles, load_profile
from pasta_core.settings import HubSource, ModelSource
from pasta_tui.console.output import Output
from pasta_tui.plain.profiles import amount, source_text
from pasta_tui.terminal.capabilities import can_answer

__all__ = ["Weights", "all_weights", "list_all", "named_weights", "remove", "verify"]


@dataclass(frozen=True)
class Weights:
    """One source of a hub and the parts of profiles that are it."""

    part: Part
    hub: HubSource
    names: tuple[str, ...]


def all_weights(paths: Paths) -> list[Weights]:
    """What every profile that can be read fetches, each source once."""
    return _every(paths)[0]


def _every(paths: Paths) -> tuple[list[Weights], list[str]]:
    """What the profiles fetch that can be read, and the names of those that cannot."""
    named, unread = [], []
    for profile in sorted(known_profiles(paths)):
        try:
            named += [(f"{profile}.{part.role}", part) for part in parts(load_profile(profile, paths))]
        except InvalidInput:
            # 'pasta profiles check' says what is wrong with it
            unread.append(profile)
    return _grouped(named), unread


def named_weights(names: Sequence[str], paths: Paths) -> list[Weights]:
    """What PROFILE and PROFILE.PART fetch, each source once. `InvalidInput` for what fetches nothing."""
    named = []
    for name in names:
        profile, found = find_parts(name, paths)
        if not any(part.source.hub for part in found):
            raise InvalidInput(f"{name} is not fetched from a hub", "its profile names files by their paths")
        named += [(f"{profile}.{part.role}", part) for part in found]
    return _grouped(named)


def _grouped(named: Sequence[tuple[str, Part]]) -> list[Weights]:
    groups: dict[HubSource, dict[str, Part]] = {}
    for name, part in named:
        if (hub := part.source.hub) is not None:
            groups.setdefault(hub, {})[name] = part
    # of profiles that need the same file for different things, the one that asks the most of it
    return [
        Weights(max(group.values(), key=lambda part: part.chat), hub, tuple(group))
        for hub, group in groups.items()
    ]


def list_all(as_json: bool) -> None:
    """Print what profiles fetch, and what of it is here."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    rows = [_row(weights, paths) for weights in all_weights(paths)]
    if as_json:
        out.document(rows)
    for row in rows:
        begun = f", {amount(row['partial_bytes'])} have arrived" if row["partial_bytes"] else ""
        state = f"{row['problem']}{begun}" if row["problem"] else amount(row["bytes"])
        out.data(f"{state:24}{', '.join(row['parts'])}")
        out.data(f"{'':24}{row['source']} ({row['licence'] or 'licence unknown'})")


def _row(weights: Weights, paths: Paths) -> dict[str, Any]:
    files = list(inspect_part(weights.part))
    problems = [file.problem for file in files if file.problem]
    return {
        "source": source_text(weights.part),
        "parts": weights.names,
        "licence": weights.part.source.licence or None,
        "path": str(weights.part.path),
        "bytes": sum(file.size for file in files),
        "partial_bytes": sum(partial_bytes(weights.hub, root) for root in paths.models),
        "problem": problems[0] if problems else None,
    }


def verify(names: Sequence[str], as_json: bool) -> None:
    """Check the bytes of what was fetched; raises `ModelUnavailable` after all have been reported."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    chosen = named_weights(names, paths) if names else list(_present(all_weights(paths)))
    if not chosen:
        out.message("nothing was fetched yet")
    report: list[dict[str, Any]] = []
    wrong: ModelUnavailable | None = None
    for weights in chosen:
        out.progress(f"reading {weights.hub}")
        for checked, arrived in _checked(weights):
            report.append(
                {
                    "source": str(weights.hub),
                    "file": checked.name,
                    "bytes": checked.size,
                    "problem": checked.problem or None,
                }
            )
            out.data(f"{checked.problem or 'ok':21} {amount(checked.size):10}{weights.hub} {checked.name}")
            if checked.problem and wrong is None:
                what = f"{checked.name} of {weights.hub} {checked.problem}"
                wrong = ModelUnavailable(what, _amends(weights, checked, arrived))
    if as_json:
        out.document(report)
    if wrong is not None:
        raise wrong


def _checked(weights: Weights) -> Iterator[tuple[FileCheck, bool]]:
    """What is wrong with each file, or with a folder of sound ones, and whether it arrived as it is.

    What did so is of another kind than its part needs.
    """
    folder = folder_of(weights.hub, weights.part.path)
    kinds = {file.path: file for file in inspect_part(weights.part) if file.problem}
    sound = True
    for checked in verify_files(weights.hub, folder):
        arrived = not checked.problem
        kind = kinds.pop(folder / checked.name, None)
        if kind is not None and arrived:
            checked = replace(checked, problem=kind.problem)
        sound = sound and not checked.problem
        yield checked, arrived
    for file in kinds.values() if sound else ():
        yield FileCheck(file.path.name, file.size, file.problem), True


def _amends(weights: Weights, checked: FileCheck, arrived: bool) -> str:
    """What to do about it; what arrived as it is would only come again."""
    part = replace(weights.part, source=ModelSource()) if arrived else weights.part
    profile, _, role = weights.names[0].rpartition(".")
    file = ModelFile(role, part.path, checked.size, checked.problem)
    return (
        remedy(replace(part, role=role), file, profile)
        or "name another in the profile ('pasta profiles check' says which part it is)"
    )


def _present(found: Sequence[Weights]) -> Iterator[Weights]:
    return (
        weights for weights in found if all(file.problem != ABSENT for file in inspect_part(weights.part))
    )


def remove(names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Remove weights that no profile beside the named parts needs, after a question unless `yes`."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    chosen = [weights for weights in named_weights(names, paths) if _is_here(weights, paths)]
    if not chosen:
        out.message(f"nothing of {', '.join(names)} is here")
    every, unread = _every(paths) if chosen else ([], [])
    if unread:
        raise InvalidInput(
            f"profile {unread[0]} cannot be read, and nobody knows what it needs",
            f"'pasta profiles check {unread[0]}' says what is wrong with it: correct it, or delete its file",
        )
    needed = {weights.hub: weights.names for weights in every}
    others = {
        weights.hub: [name for name in needed.get(weights.hub, ()) if name not in weights.names]
        for weights in chosen
    }
    doomed = [weights for weights in chosen if not others[weights.hub]]
    if doomed and not yes and not can_answer():
        raise InvalidInput(
            "removing asks first, and there is no terminal to ask in", "'--yes' removes without asking"
        )
    kept = [hub for hub in others if others[hub]]
    for hub in kept:
        out.note(f"{hub} stays: {', '.join(others[hub])} needs it too (name it as well to remove it)")
    sizes = {weights.hub: _size(weights, paths) for weights in doomed}
    if doomed and not yes and not _agreed(doomed, sizes, out):
        doomed = []
    if chosen and not doomed:
        out.message("nothing was removed")
    rest = [hub for hub in needed if hub not in sizes]
    freed = {
        weights.hub: sum(remove_files(weights.hub, root, rest) for root in paths.models) for weights in doomed
    }
    if as_json:
        out.document(
            {
                "removed": [{"source": str(hub), "bytes": size} for hub, size in freed.items()],
                "kept": [str(hub) for hub in kept],
            }
        )
    for hub, size in freed.items():
        out.data(f"{amount(size):10}{hub}")


def _is_here(weights: Weights, paths: Paths) -> bool:
    """Whether anything of a source is on this machine, be it half a file."""
    found = any(file.problem != ABSENT for file in inspect_part(weights.part))
    return found or any(partial_bytes(weights.hub, root) for root in paths.models)


def _size(weights: Weights, paths: Paths) -> int:
    here = sum(file.size for file in inspect_part(weights.part))
    return here + sum(partial_bytes(weights.hub, root) for root in paths.models)


def _agreed(doomed: Sequence[Weights], sizes: dict[HubSource, int], out: Output) -> bool:
    out.show([f"{amount(sizes[weights.hub]):10}{weights.hub}" for weights in doomed])
    out.ask(f"Remove {amount(sum(sizes.values()))} from the cache that other programs may share? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
