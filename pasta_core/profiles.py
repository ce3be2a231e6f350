"""Profiles: TOML files that name a set of models; the user's own hide the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from pasta_core.domain import CandidateForm
from pasta_core.errors import InvalidInput
from pasta_core.model_sources import SourceReader
from pasta_core.paths import Paths
from pasta_core.settings import (
    MEMORY,
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

SDXL_CONFIG = "painters/sdxl"
"""The assets that describe a painter in one file, unless the profile names another folder."""
_KEYS = (
    *("extends", "description", "needs", "examples", "vocabulary", "captions", "user_model", "value_model"),
    *("writer", "painter", "clip", "session", "memory"),
)
_ROLES = {("writer", "model"): "writer", ("painter", "model"): "painter", ("clip", "model"): "clip"}
"""The names of parts whose keys are all called alike; the others are named by their keys."""


def known_profiles(paths: Paths) -> dict[str, Path]:
    """All profiles by name; a user's profile hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in (paths.assets / "profiles", paths.config / "profiles"):
        found.update({file.stem: file for file in sorted(folder.glob("*.toml"))})
    return found


def load_profile(name: str, paths: Paths) -> Profile:
    """Load a profile; its relative paths start at its own folder, or with `assets:` at the shipped files.

    Raises `InvalidInput` for an unknown name, key or value. Model files are not opened here.
    """
    return _load(name, paths, ())


def _load(name: str, paths: Paths, above: tuple[str, ...]) -> Profile:
    """Load a profile that those in `above` extend, the first of them that was asked for."""
    file = _file_of(name, paths)
    table = read_toml(file)
    refuse_unknown_keys(table, _KEYS, str(file))
    base = None
    if "extends" in table:
        parent = convert(table["extends"], str, f"{file}: extends")
        if parent in (*above, name):
            raise InvalidInput(f"{file}: extends goes round in a circle", "name another profile")
        base = _load(parent, paths, (*above, name))
    where = SourceReader(file, paths)
    profile = Profile(
        name=name,
        description=convert(table.get("description", ""), str, f"{file}: description"),
        writer=_part(WriterProfile, table, "writer", where, base.writer if base else None),
        painter=_part(PainterProfile, table, "painter", where, base.painter if base else None),
        clip=_part(ClipProfile, table, "clip", where, base.clip if base else None),
        vocabulary=where.optional(table, "vocabulary", base.vocabulary if base else None),
        captions=where.optional(table, "captions", base.captions if base else None),
        user_model=where.optional(table, "user_model", base.user_model if base else None),
        value_model=where.optional(table, "value_model", base.value_model if base else None),
        examples=_examples(table["examples"], file) if "examples" in table else base.examples if base else (),
        needs=convert(table.get("needs", base.needs if base else ""), str, f"{file}: needs"),
        session=_session(table.get("session", {}), file, base.session if base else SessionSettings()),
        memory=_memory(table.get("memory", base.memory if base else "auto"), file),
        lineage=(base.name, *base.lineage) if base else (),
    )
    if profile.painter.model.suffix == ".safetensors" and profile.painter.config is None:
        sdxl = replace(profile.painter, config=paths.assets / SDXL_CONFIG)
        profile = replace(profile, painter=sdxl)
    inherited = dict(base.sources) if base else {}
    for role in where.named:
        inherited.pop(role, None)
    if "painter" in table and "loras" in table["painter"]:
        inherited = {role: source for role, source in inherited.items() if not role.startswith("lora-")}
    return replace(profile, sources={**inherited, **where.sources})


def _file_of(name: str, paths: Paths) -> Path:
    profiles = known_profiles(paths)
    if name not in profiles:
        near = nearest(name, profiles)
        known = ", ".join(sorted(profiles)) or "none"
        hint = f'did you mean "{near}"?' if near else f"known profiles: {known}"
        raise InvalidInput(f'there is no profile "{name}"', hint)
    return profiles[name]


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


def _part(
    kind: type[_Part], table: Mapping[str, Any], key: str, reader: SourceReader, base: _Part | None
) -> _Part:
    where = f"{reader.file}: [{key}]"
    section = dict(convert(table.get(key, {}), dict, where))
    types = get_type_hints(kind)
    refuse_unknown_keys(section, types, where)
    values = _served(section, base, where)
    for field in fields(kind):
        lacks = base is None and field.default is MISSING
        if lacks and field.name not in section and field.name not in values:
            raise InvalidInput(f'{where} lacks "{field.name}"', "add it")
    for name, value in section.items():
        if types[name] in (Path, Path | None):
            values[name] = reader.path(value, f"[{key}] {name}", _ROLES.get((key, name)) or name)
        elif name == "loras":
            values[name] = reader.loras(value, f"[{key}] {name}")
        else:
            values[name] = convert(value, types[name], f"{where} {name}")
    try:
        return replace(base, **values) if base is not None else kind(**values)
    except InvalidInput as error:
        raise InvalidInput(f"{where} {error.message}", error.hint) from error


def _served(section: dict[str, Any], base: object, where: str) -> dict[str, Any]:
    """The writer's model where a server writes: a name and no file. It is taken out of the section."""
    before = getattr(base, "url", "")
    url = convert(section.get("url", before), str, f"{where} url")
    if not url:
        if before and "model" not in section:
            raise InvalidInput(f'{where} lacks "model"', "without a url it needs a GGUF file")
        return {}
    if not _is_address(url):
        raise InvalidInput(f"{where} url is {url!r}", 'write it as "http://HOST:PORT"')
    if "model" in section:
        return {"model": Path(convert(section.pop("model"), str, f"{where} model"))}
    return {} if before else {"model": Path()}


def _is_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False


def _examples(value: object, file: Path) -> tuple[str, ...]:
    given: list[object] = convert(value, list, f"{file}: examples")
    return tuple(convert(example, str, f"{file}: examples") for example in given)


def _memory(value: object, file: Path) -> str:
    mode: str = convert(value, str, f"{file}: memory")
    if mode not in MEMORY:
        raise InvalidInput(f"{file}: memory is {mode!r}", f"choose one of {', '.join(MEMORY)}")
    return mode


def _session(section: object, file: Path, base: SessionSettings) -> SessionSettings:
    table = convert(section, dict, f"{file}: [session]")
    refuse_unknown_keys(table, SESSION_KEYS, f"{file}: [session]")
    changes = {key: convert(value, SESSION_KEYS[key], f"{file}: {key}") for key, value in table.items()}
    return session_settings(base, changes)
