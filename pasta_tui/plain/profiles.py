"""The sets of models on the command line: what there is, what each is made of, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pasta_core.configuration import configure
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.models import ABSENT, Part, inspect_part, parts, remedy
from pasta_core.paths import Paths, locate
from pasta_core.profiles import known_profiles, load_profile
from pasta_core.settings import Profile
from pasta_core.text import told
from pasta_tui.console.output import Output

__all__ = ["amount", "check", "list_all", "show_one", "source_text"]


def list_all(as_json: bool) -> None:
    """Print every profile and whether it can be used."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    found = [_summary(name, file, paths) for name, file in sorted(known_profiles(paths).items())]
    if as_json:
        out.document(found)
    width = max([12, *(len(one["name"]) + 2 for one in found)])
    for one in found:
        state = one["problem"] or "ready"
        about = ", ".join(text for text in (one["description"], one["needs"]) if text)
        out.data(f"{one['name']:{width}}{about}{'' if one['shipped'] else '  (your own)'}")
        out.data(f"{'':{width}}{state}")


def show_one(name: str, as_json: bool) -> None:
    """Print one profile's parts and numbers."""
    out = Output(os.environ, as_json)
    paths = locate(os.environ)
    profile = load_profile(name, paths)
    rows = [_part(part, name) for part in parts(profile)]
    numbers = _numbers(profile)
    summary = _summary(name, known_profiles(paths)[name], paths)
    if as_json:
        out.document({**summary, "parts": rows, "settings": numbers})
        return
    out.data(f"{name}: {profile.description}")
    out.data(f"{'needs':12}{profile.needs or '-'}")
    out.data(f"{'file':12}{summary['file']}")
    for row in rows:
        state = row["problem"] or amount(row["bytes"])
        licence = f" ({row['licence']})" if row["licence"] else ""
        out.data(f"{row['role']:12}{state}{licence}")
        for line in filter(None, (row["source"], row["path"])):
            out.data(f"{'':12}{line}")
    for key, value in numbers.items():
        out.data(f"{key:24}{value}")


def check(names: Sequence[str], as_json: bool) -> None:
    """Check profiles; raises what is wrong with the last wrong one after all have been reported."""
    out = Output(os.environ, as_json)
    names = names or [configure({}, os.environ, Path.cwd()).profile.name]
    paths = locate(os.environ)
    wrong: InvalidInput | ModelUnavailable | None = None
    report = []
    for name in names:
        try:
            rows = [_part(part, name) for part in parts(load_profile(name, paths))]
            problems = [row for row in rows if row["problem"]]
        except InvalidInput as error:
            problems, wrong = [{"role": "profile", "problem": told(error)}], error
        else:
            if problems and not isinstance(wrong, InvalidInput):
                first = problems[0]
                wrong = ModelUnavailable(
                    f"profile {name} cannot be used: its {first['role']} {first['problem']}", first["remedy"]
                )
        report.append({"name": name, "ok": not problems, "problems": problems})
        out.data(f"{name}: {'ok' if not problems else ''}".rstrip())
        for one in problems:
            where = f": {one['path']}" if "path" in one else ""
            out.data(f"  {one['role']:12}{one['problem']}{where}")
    if as_json:
        out.document(report)
    if wrong is not None:
        raise wrong


def _summary(name: str, file: Path, paths: Paths) -> dict[str, Any]:
    base = {"name": name, "file": str(file), "shipped": file.is_relative_to(paths.assets)}
    try:
        profile = load_profile(name, paths)
    except InvalidInput as error:
        return {**base, "description": "", "needs": "", "problem": told(error)}
    rows = [row for row in (_part(part, name) for part in parts(profile)) if row["problem"]]
    about = {"description": profile.description, "needs": profile.needs}
    return {**base, **about, "problem": _told_together(rows, name) if rows else None}


def _told_together(rows: Sequence[Mapping[str, Any]], profile: str) -> str:
    """What is wrong with some parts of a profile, and what to do, in one line."""
    first = f"{rows[0]['role']} {rows[0]['problem']}; {rows[0]['remedy']}"
    if len(rows) == 1:
        return first
    if all(row["problem"] == ABSENT for row in rows):
        pull = f"get them with 'pasta models pull {profile}'"
        return f"{len(rows)} of its models are not on this machine; {pull}"
    return f"{first} ({len(rows) - 1} more: 'pasta profiles check {profile}')"


def _part(part: Part, profile: str) -> dict[str, Any]:
    files = list(inspect_part(part))
    wrong = [file for file in files if file.problem]
    return {
        "role": part.role,
        "path": str(wrong[0].path if wrong else part.path),
        "bytes": sum(file.size for file in files),
        "source": source_text(part),
        "licence": part.source.licence or None,
        "problem": wrong[0].problem if wrong else None,
        "remedy": (remedy(part, wrong[0], profile) if wrong else "") or "put another there",
    }


def source_text(part: Part) -> str | None:
    """Where a part is fetched from; None if it is not."""
    hub = part.source.hub
    if hub is None:
        return None
    return f"{hub}{f' {hub.files[0]}' if hub.single else ''}"


def _numbers(profile: Profile) -> dict[str, Any]:
    """What a profile says beside its models."""
    groups: Mapping[str, Any] = {"writer": profile.writer, "painter": profile.painter}
    return {
        f"{group}.{field.name}": getattr(values, field.name)
        for group, values in groups.items()
        for field in fields(values)
        if isinstance(getattr(values, field.name), int | float | str)
    }


def amount(size: int) -> str:
    """A size in decimal units, as hubs and shops print it."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} B"
