"""What a person sets about the interface: keys, checked by name, and colours, remembered in `pasta.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from textual.binding import Binding, BindingType
from textual.dom import DOMNode

from pasta_core.errors import InvalidInput
from pasta_core.files import make_directory, storing, write_atomically
from pasta_core.typed_toml import nearest

__all__ = ["binding_names", "check_keys", "check_theme", "remember_theme"]

_THEME = re.compile(r"^theme\s*=.*$", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)


def binding_names(nodes: Iterable[type[DOMNode]]) -> list[str]:
    """The names of everything that a key of its own can be given to."""
    bindings: list[BindingType] = [binding for node in nodes for binding in node.BINDINGS]
    names = (binding.id for binding in bindings if isinstance(binding, Binding))
    return sorted({name for name in names if name})


def check_keys(keys: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse a name below `[keys]` that nothing has."""
    names = list(known)
    for name in keys:
        if name not in names:
            near = nearest(name, names)
            hint = f'did you mean "{near}"?' if near else "docs/interface.md lists the names"
            raise InvalidInput(f'[keys] names "{name}", which the interface does not have', hint)


def check_theme(theme: str, known: Iterable[str]) -> None:
    """Refuse colours that the interface does not have."""
    names = sorted(known)
    if theme and theme not in names:
        raise InvalidInput(f"theme is {theme!r}", f"choose one of {', '.join(names)}")


def remember_theme(file: Path, theme: str) -> None:
    """Set `theme` in a settings file, leaving everything else in it as it is. Raises `StorageError`."""
    line = f'theme = "{theme}"'
    with storing(file):
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    table = _TABLE.search(text)
    top, rest = (text[: table.start()], text[table.start() :]) if table else (text, "")
    if _THEME.search(top):
        top = _THEME.sub(lambda match: line, top, count=1)
    else:
        top = f"{line}\n{top}"
    make_directory(file.parent)
    write_atomically(file, (top + rest).encode())
