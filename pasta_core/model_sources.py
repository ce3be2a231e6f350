"""Reads where a part of a profile lies: a path, a shipped file, or files of a hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput
from pasta_core.hub.cache import local_path
from pasta_core.paths import Paths
from pasta_core.settings import HubSource, Lora, ModelSource
from pasta_core.typed_toml import convert, refuse_unknown_keys

__all__ = ["SourceReader"]

SHIPPED = "assets:"
"""How a path in a profile begins that names a shipped file."""
_HUB_KEYS = ("hub", "revision", "file", "files", "licence", "bytes")
_PATH_KEYS = ("path", "licence")
_REPO = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class SourceReader:
    """Makes the parts of one profile's file absolute paths, and remembers where they come from."""

    def __init__(self, file: Path, paths: Paths) -> None:
        self.file = file
        self._paths = paths
        self.named: list[str] = []
        """The roles that were read."""
        self.sources: dict[str, ModelSource] = {}
        """What their tables say beside the path, by role."""

    def path(self, value: object, key: str, role: str, more: tuple[str, ...] = ()) -> Path:
        """The path of a part: text, or a table of `path` or `hub`; `more` are keys that others read."""
        self.named.append(role)
        if not isinstance(value, Mapping):
            return self._local(value, key)
        where = f"{self.file}: {key}"
        given = dict(value)
        refuse_unknown_keys(given, (*(_HUB_KEYS if "hub" in given else _PATH_KEYS), *more), where)
        licence = convert(given.get("licence", ""), str, f"{where} licence")
        if "hub" in given:
            hub = _hub_source(given, where)
            size: int = convert(given.get("bytes", 0), int, f"{where} bytes")
            self.sources[role] = ModelSource(licence, hub, size)
            return local_path(hub, self._paths.models)
        if "path" not in given:
            raise InvalidInput(f"{where} names no model", 'give it a "path" or a "hub" id')
        self.sources[role] = ModelSource(licence)
        return self._local(given["path"], key)

    def optional(self, table: Mapping[str, Any], key: str, default: Path | None) -> Path | None:
        """The path of a part that a profile may do without."""
        return self.path(table[key], key, key) if key in table else default

    def loras(self, value: object, key: str) -> tuple[Lora, ...]:
        """A list of parts, each with a weight of its own."""
        given: list[object] = convert(value, list, f"{self.file}: {key}")
        loras = []
        for number, one in enumerate(given, start=1):
            weight = one.get("weight", 1.0) if isinstance(one, Mapping) else 1.0
            path = self.path(one, f"{key} {number}", f"lora-{number}", ("weight",))
            loras.append(Lora(path, convert(weight, float, f"{self.file}: {key} {number} weight")))
        return tuple(loras)

    def _local(self, value: object, key: str) -> Path:
        given: Path = convert(value, Path, f"{self.file}: {key}")
        shipped = str(given).removeprefix(SHIPPED)
        return self._paths.assets / shipped if shipped != str(given) else self.file.parent / given


def _hub_source(given: Mapping[str, Any], where: str) -> HubSource:
    repo = convert(given["hub"], str, f"{where} hub")
    if not _REPO.fullmatch(repo):
        raise InvalidInput(f"{where} hub is {repo!r}", "write it as OWNER/NAME")
    if "file" in given and "files" in given:
        raise InvalidInput(f'{where} has both "file" and "files"', "keep one of them")
    names = [given["file"]] if "file" in given else convert(given.get("files", []), list, f"{where} files")
    files = tuple(convert(name, str, f"{where} files") for name in names)
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise InvalidInput(f"{where} names {name!r}", "name files inside the repository")
    revision = convert(given.get("revision", "main"), str, f"{where} revision")
    if not revision or revision.startswith("/") or ".." in revision:
        raise InvalidInput(f"{where} revision is {revision!r}", "it must be a commit, a branch or a tag")
    return HubSource(repo, revision, files, "file" in given)
