"""The settings of one run in five layers: flags > environment > project file > user file > profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput
from pasta_core.paths import Paths, locate
from pasta_core.profiles import SESSION_KEYS, load_profile, session_settings
from pasta_core.settings import MEMORY, Profile, SessionSettings
from pasta_core.typed_toml import convert, read_toml, refuse_unknown_keys

__all__ = ["GRAPHICS", "KEYS", "Configuration", "configure"]

GRAPHICS = ("auto", "kitty", "sixel", "half", "none")
"""How pictures may be shown in a terminal; `auto` asks it."""

KEYS: Mapping[str, type] = {
    "profile": str,
    "selector": str,
    "worker": str,
    "memory": str,
    "compile": bool,
    "graphics": str,
    "theme": str,
    "keys": dict,
    "data_dir": Path,
    **SESSION_KEYS,
}
"""Every key of `pasta.toml`; the environment spells it `PASTA_` and upper case, tables are for files only."""

_DEFAULTS: Mapping[str, Any] = {
    "profile": "micro",
    "selector": "",
    "worker": "",
    "memory": "",
    "compile": False,
    "graphics": "auto",
    "theme": "",
}


@dataclass(frozen=True)
class Configuration:
    """What a run goes by."""

    profile: Profile
    selector: str
    """Which slate selector (§3.1), by default the best that the profile has.

    That is `taste+value` with a value model, else `taste`. One that is none is refused where selectors are
    made.
    """
    worker: str
    """The command of the worker, empty for one on this machine."""
    memory: str
    """How language model and painter share one GPU, one of `MEMORY`; empty: as the profile says."""
    compile: bool
    """Whether the painter is compiled, whatever the profile says."""
    graphics: str
    """How pictures are shown in the terminal, one of `GRAPHICS`."""
    theme: str
    """The colours of the interface, empty for its own; it knows which there are."""
    keys: Mapping[str, str]
    """Keys of the interface by the name of what they do."""
    session: SessionSettings
    paths: Paths
    sources: Mapping[str, str]
    """Where each key that is not a default comes from."""


@dataclass(frozen=True)
class _Layer:
    name: str
    values: Mapping[str, Any]


def configure(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Configuration:
    """Merge the layers; a flag that is None was not given. Raises `InvalidInput` naming layer and key."""
    paths = locate(env)
    layers = (
        _from_file(paths.config / "pasta.toml"),
        _from_file(cwd / "pasta.toml"),
        _from_environment(env),
        _Layer("", {key: value for key, value in flags.items() if value is not None}),
    )
    values = dict(_DEFAULTS)
    sources: dict[str, str] = {}
    for layer in layers:
        _check_choice(layer, "graphics", GRAPHICS)
        _check_choice(layer, "memory", MEMORY)
        values.update(layer.values)
        sources.update(dict.fromkeys(layer.values, layer.name or "flag"))
    profile = load_profile(values["profile"], paths)
    session = profile.session
    for layer in layers:
        session = _changed(session, layer)
    return Configuration(
        profile=profile,
        selector=values["selector"] or _best_selector(profile),
        worker=values["worker"],
        memory=values["memory"],
        compile=values["compile"],
        graphics=values["graphics"],
        theme=values["theme"],
        keys={name: key for layer in layers for name, key in layer.values.get("keys", {}).items()},
        session=session,
        paths=replace(paths, data=values.get("data_dir", paths.data)),
        sources=sources,
    )


def _best_selector(profile: Profile) -> str:
    return "taste" if profile.value_model is None else "taste+value"


def _from_file(file: Path) -> _Layer:
    if not file.is_file():
        return _Layer(str(file), {})
    table = read_toml(file)
    refuse_unknown_keys(table, KEYS, str(file))
    base = file.parent
    values = {key: convert(value, KEYS[key], f"{file}: {key}", base) for key, value in table.items()}
    for name, key in values.get("keys", {}).items():
        convert(key, str, f"{file}: [keys] {name}")
    return _Layer(str(file), values)


def _from_environment(env: Mapping[str, str]) -> _Layer:
    names = (key for key, kind in KEYS.items() if kind is not dict)
    given = {key: env[f"PASTA_{key.upper()}"] for key in names if env.get(f"PASTA_{key.upper()}")}
    return _Layer(
        "environment",
        {key: convert(value, KEYS[key], f"PASTA_{key.upper()}", Path.cwd()) for key, value in given.items()},
    )


def _check_choice(layer: _Layer, key: str, known: Sequence[str]) -> None:
    value = layer.values.get(key, known[0])
    if value not in known:
        prefix = f"{layer.name}: " if layer.name else ""
        raise InvalidInput(f"{prefix}{key} is {value!r}", f"choose one of {', '.join(known)}")


def _changed(session: SessionSettings, layer: _Layer) -> SessionSettings:
    changes = {key: value for key, value in layer.values.items() if key in SESSION_KEYS}
    try:
        return session_settings(session, changes) if changes else session
    except InvalidInput as error:
        prefix = f"{layer.name}: " if layer.name else ""
        raise InvalidInput(f"{prefix}{error.message}", error.hint) from error
