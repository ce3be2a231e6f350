"""Profiles: TOML files that name a set of models; the user's own hide the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pasta_core.domain import CandidateForm
from pasta_core.errors import InvalidInput
from pasta_core.paths import Paths
from pasta_core.settings import (
    ClipProfile,
    PainterProfile,
    Profile,
    SessionSettings,
    WriterProfile,
)
from pasta_core.typed_toml import convert, nearest, read_toml, refuse_unknown_keys

__all__ = ["SESSION_KEYS", "known_profiles", "load_profile", "session_settings"]

SESSION_KEYS: Mapping[str, type] = {
    "turns": int,
    "columns": int,
    "images": int,
    "categories": int,
    "per_category": int,
    "max_words": int,
}
"""What a `[session]` table and the settings files may say about the shape of a session."""

_Part = TypeVar("_Part", WriterProfile, PainterProfile, ClipProfile)

SHIPPED = "assets:"
"""How a path in a profile begins that names a shipped file."""


def known_profiles(paths: Paths) -> dict[str, Path]:
    """All profiles by name; a user's profile hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in (paths.assets / "profiles", paths.config / "profiles"):
        found.update({file.stem: file for file in sorted(folder.glob("*.toml"))})
    return found


def load_profile(name: str, paths: Paths) -> Profile:
    """Load a profile; its relative paths start at its own folder if they exist there, else at the assets.

    Raises `InvalidInput` for an unknown name, key or value. Model files are not opened here.
    """
    profiles = known_profiles(paths)
    if name not in profiles:
        near = nearest(name, profiles)
        known = ", ".join(sorted(profiles)) or "none"
        hint = f'did you mean "{near}"?' if near else f"known profiles: {known}"
        raise InvalidInput(f'there is no profile "{name}"', hint)
    file = profiles[name]
    table = read_toml(file)
    refuse_unknown_keys(
        table,
        (
            *("description", "needs", "examples", "vocabulary", "captions", "user_model", "value_model"),
            *("writer", "painter", "clip", "session"),
        ),
        str(file),
    )
    where = _Resolver(file, paths.assets)
    return Profile(
        name=name,
        description=convert(table.get("description", ""), str, f"{file}: description"),
        writer=_part(WriterProfile, table, "writer", where),
        painter=_part(PainterProfile, table, "painter", where),
        clip=_part(ClipProfile, table, "clip", where),
        vocabulary=where.optional(table, "vocabulary"),
        captions=where.optional(table, "captions"),
        user_model=where.optional(table, "user_model"),
        value_model=where.optional(table, "value_model"),
        examples=_examples(table.get("examples", []), file),
        needs=convert(table.get("needs", ""), str, f"{file}: needs"),
        session=_session(table.get("session", {}), file),
    )


def session_settings(base: SessionSettings, changes: Mapping[str, int]) -> SessionSettings:
    """Settings with some of `SESSION_KEYS` changed; a value out of range is `InvalidInput`."""
    values = {
        "turns": base.turns,
        "columns": base.columns,
        "images": base.images,
        "categories": base.form.categories,
        "per_category": base.form.per_category,
        "max_words": base.max_words,
    } | dict(changes)
    form = CandidateForm(values.pop("categories"), values.pop("per_category"))
    return SessionSettings(form=form, **values)


class _Resolver:
    """Makes a profile's paths absolute: they start at its folder, or with `SHIPPED` at the assets."""

    def __init__(self, file: Path, assets: Path) -> None:
        self.file = file
        self.assets = assets

    def path(self, value: object, key: str) -> Path:
        given: Path = convert(value, Path, f"{self.file}: {key}")
        shipped = str(given).removeprefix(SHIPPED)
        return self.assets / shipped if shipped != str(given) else self.file.parent / given

    def optional(self, table: Mapping[str, Any], key: str) -> Path | None:
        return self.path(table[key], key) if key in table else None


def _part(kind: type[_Part], table: Mapping[str, Any], key: str, resolver: _Resolver) -> _Part:
    where = f"{resolver.file}: [{key}]"
    section = convert(table.get(key, {}), dict, where)
    types = get_type_hints(kind)
    refuse_unknown_keys(section, types, where)
    for field in fields(kind):
        if field.default is MISSING and field.name not in section:
            raise InvalidInput(f'{where} lacks "{field.name}"', "add it")
    values: dict[str, Any] = {
        name: resolver.path(value, f"{key}.{name}")
        if types[name] is Path
        else convert(value, types[name], f"{where} {name}")
        for name, value in section.items()
    }
    return kind(**values)


def _examples(value: object, file: Path) -> tuple[str, ...]:
    given: list[object] = convert(value, list, f"{file}: examples")
    return tuple(convert(example, str, f"{file}: examples") for example in given)


def _session(section: object, file: Path) -> SessionSettings:
    table = convert(section, dict, f"{file}: [session]")
    refuse_unknown_keys(table, SESSION_KEYS, f"{file}: [session]")
    changes = {key: convert(value, SESSION_KEYS[key], f"{file}: {key}") for key, value in table.items()}
    return session_settings(SessionSettings(), changes)
