"""Read TOML tables into typed values; every complaint names the file, the key and what was expected."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput

__all__ = ["convert", "nearest", "read_toml", "refuse_unknown_keys"]

_NAMES: Mapping[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    dict: "a table",
    list: "a list",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like `word`, or "" when none does."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return matches[0] if matches else ""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; unreadable or not TOML is `InvalidInput`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not a text file", "settings files are TOML in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}", "mend that line") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def refuse_unknown_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse the first key that nobody reads, naming the nearest known one."""
    names = list(known)
    for key in table:
        if key not in names:
            near = nearest(key, names)
            hint = f'did you mean "{near}"?' if near else "known keys: " + ", ".join(names)
            raise InvalidInput(f'{where}: unknown key "{key}"', hint)


def convert(value: object, kind: type, where: str, base: Path | None = None) -> Any:
    """Convert a TOML value or an environment string to `kind`; relative paths start at `base`."""
    if kind is Path and isinstance(value, str) and value:
        path = Path(value).expanduser()
        return path if path.is_absolute() or base is None else base / path
    if kind is bool and isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    if kind in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            if kind is float or not isinstance(value, float):
                return kind(value)
        except ValueError:
            pass
    if kind is not int and isinstance(value, kind):
        return value
    raise InvalidInput(f"{where} is {value!r}", f"it must be {_NAMES[kind]}")


_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
