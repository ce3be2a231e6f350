"""A field map: what the fields of a data set are called, as TOML (`assets/field-maps/`)."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.domain import Comparison
from pasta_core.errors import InvalidInput
from pasta_core.typed_toml import convert, read_toml, refuse_unknown_keys

__all__ = ["FieldMap", "Names", "Row", "Usage", "as_list", "normal"]

Names = Mapping[str, tuple[str, ...]]
"""The names that each field may have, normalised, in the order they are tried."""

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "session": ("id", "rater", "initial_prompt", "initial_images", "turns", "split"),
    "turn": (
        "number",
        "columns",
        "prompts",
        "images",
        "choice",
        "critique",
        "preferred",
        "column_scores",
        "score",
        "comparison",
        "rationale",
    ),
    "column": ("prompt", "images", "score"),
    "comparison": tuple(comparison.value for comparison in Comparison),
    "patterns": ("turn", "column", "image"),
}
_LAYOUT = ("index_base", "columns", "images", "image_order")
_SEPARATORS = re.compile(r"[^a-z0-9.{}]+")


def normal(name: str) -> str:
    """A name without case and separators; dots stay."""
    return _SEPARATORS.sub("", name.lower())


@dataclass(frozen=True)
class FieldMap:
    """Names of fields, and the shape of what is not told by the data.

    `index_base` is None where the choices tell whether columns count from 0 or 1.
    """

    session: Names
    turn: Names
    column: Names
    comparison: Mapping[str, Comparison]
    patterns: Names
    index_base: int | None
    columns: int
    images: int
    by_rows: bool

    @classmethod
    def load(cls, path: Path) -> FieldMap:
        """Read a field map; an unknown key or a wrong value is `InvalidInput`."""
        tables = read_toml(path)
        refuse_unknown_keys(tables, (*_FIELDS, "layout"), str(path))
        names = {part: _names(tables.get(part, {}), fields, path, part) for part, fields in _FIELDS.items()}
        layout = convert(tables.get("layout", {}), dict, f"{path}: [layout]")
        refuse_unknown_keys(layout, _LAYOUT, f"{path}: [layout]")
        base = layout.get("index_base", "auto")
        order = layout.get("image_order", "columns")
        if base not in ("auto", 0, 1) or order not in ("columns", "rows"):
            raise InvalidInput(
                f"{path}: [layout] has index_base {base!r} and image_order {order!r}",
                'index_base is "auto", 0 or 1; image_order is "columns" or "rows"',
            )
        return cls(
            session=names["session"],
            turn=names["turn"],
            column=names["column"],
            comparison={
                word: Comparison(value) for value, words in names["comparison"].items() for word in words
            },
            patterns=names["patterns"],
            index_base=None if base == "auto" else int(base),
            columns=convert(layout.get("columns", 4), int, f"{path}: columns"),
            images=convert(layout.get("images", 4), int, f"{path}: images"),
            by_rows=order == "rows",
        )


def _names(table: object, fields: Sequence[str], path: Path, part: str) -> Names:
    checked = convert(table, dict, f"{path}: [{part}]")
    refuse_unknown_keys(checked, fields, f"{path}: [{part}]")
    found = {}
    for field in fields:
        names = convert(checked.get(field, []), list, f"{path}: {part}.{field}")
        found[field] = tuple(
            normal(str(name)) if part != "comparison" else str(name).lower() for name in names
        )
    return found


class Usage:
    """Which names of the data were read as which field, and which were not."""

    def __init__(self) -> None:
        self.read: dict[str, Counter[str]] = {}
        self.seen: Counter[str] = Counter()

    def notes(self) -> Iterator[str]:
        """One line for what was understood, one for what was not."""
        understood = [f"{field} from {', '.join(names)}" for field, names in self.read.items()]
        if understood:
            yield "understood: " + "; ".join(understood)
        used = {name for names in self.read.values() for name in names}
        if unused := [f"{name} ({count})" for name, count in self.seen.items() if name not in used]:
            yield "not understood: " + ", ".join(unused[:40])


class Row:
    """A row or a table inside one, its fields found by any of their names."""

    def __init__(self, values: Mapping[str, Any], usage: Usage, where: str) -> None:
        self.usage = usage
        self._where = where
        self._keys: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        for key, value in _flat(values):
            if not _blank(value):
                self._keys.setdefault(normal(key), key)
                self._values.setdefault(normal(key), value)
        usage.seen.update(str(key) for key, value in values.items() if not _blank(value))

    def as_(self, where: str) -> Row:
        """The same row, its fields noted as those of another part."""
        row = copy.copy(self)
        row._where = where
        return row

    def numbered_row(self, number: int, patterns: Sequence[str], where: str) -> Row:
        """The part of a row whose names have this number, such as `turn_2_choice`, as a row of its own."""
        row = Row({}, self.usage, where)
        for pattern in patterns:
            before, _, after = pattern.replace("{t}", str(number)).partition("{name}")
            for key, value in self._values.items():
                if key.startswith(before) and key.endswith(after) and len(key) > len(before) + len(after):
                    name = key[len(before) : len(key) - len(after)]
                    row._keys.setdefault(name, self._keys[key])
                    row._values.setdefault(name, value)
        return row

    def has(self, names: Sequence[str]) -> bool:
        """Whether one of the names is there."""
        return any(name in self._values for name in names)

    def get(self, field: str, names: Sequence[str]) -> Any:
        """The value under the first name that is there, noted as this field; else None."""
        for name in names:
            if name in self._values:
                key = self._keys[name].split(".")[0]
                self.usage.read.setdefault(f"{self._where}.{field}", Counter())[key] += 1
                return self._values[name]
        return None

    def numbered(self, field: str, names: Sequence[str], patterns: Sequence[str], key: str) -> list[Any]:
        """Values whose names count `{l}` (or what `key` says) from 0 or 1, as long as they go on."""
        for name in names:
            for pattern in patterns:
                filled = pattern.replace("{name}", name)
                start = next((n for n in (0, 1) if filled.replace(key, str(n)) in self._values), None)
                if start is None:
                    continue
                values, number = [], start
                while (numbered := filled.replace(key, str(number))) in self._values:
                    values.append(self.get(field, (numbered,)))
                    number += 1
                return values
        return []


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _flat(values: Mapping[str, Any], prefix: str = "", depth: int = 3) -> Iterator[tuple[str, Any]]:
    """Every value under its path, inner tables also by their own name."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        yield path, value
        if isinstance(value, dict) and depth > 0:
            yield from _flat(value, f"{path}.", depth - 1)


def as_list(value: object) -> list[Any]:
    """A list as it is, a JSON list in a text cell parsed, a table's values in the order of their keys."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=_natural)]
    return list(value) if isinstance(value, (list, tuple)) else []


def _natural(key: object) -> tuple[int, str]:
    digits = re.findall(r"\d+", str(key))
    return (int(digits[-1][:9]) if digits else -1), str(key)
