"""What earlier runs measured: memory peaks and times by machine and profile, in one small file.

The file lies in the cache directory and may vanish at any time; what cannot be written is not written.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pasta_core.files import make_directory, write_atomically
from pasta_core.settings import Profile

__all__ = ["MEASURED", "Measured", "Measurements", "profile_key"]

MEASURED = "measured.json"
VERSION = 1
_KEPT = 8
"""Times that are remembered of a step; their median counts."""


@dataclass(frozen=True)
class Measured:
    """What is known of one profile on one machine."""

    peaks: Mapping[str, int] = field(default_factory=dict)
    """Bytes at most, by what was measured.

    That is the `worker` and the `writer` process, the weights of parts by their names in a plan, and on a GPU
    what `painting` takes beside them.
    """
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds of a unit: of a candidate (`write`), of a request (`value`), of an image (`paint`)."""


class Measurements:
    """The file, read and written whole."""

    def __init__(self, cache: Path) -> None:
        self._file = cache / MEASURED

    def of(self, machine: str, profile: str) -> Measured:
        """What was measured of a profile on a machine, by their keys; damaged entries count as none."""
        entry = _entry(self._read(), machine, profile)
        peaks = {name: value for name, value in _table(entry, "peaks").items() if type(value) is int}
        seconds = {
            name: statistics.median(times)
            for name, times in _table(entry, "seconds").items()
            if _are_times(times)
        }
        return Measured(peaks, seconds)

    def note_peak(self, machine: str, profile: str, what: str, size: int) -> None:
        """Remember a peak if it is higher than any before."""
        document = self._read()
        peaks = _table(_entry(document, machine, profile), "peaks")
        known = peaks.get(what)
        # a hundredth more is noise, and not worth a write
        if type(known) is int and size <= known * 1.01:
            return
        peaks[what] = size
        self._write(document)

    def note_seconds(self, machine: str, profile: str, what: str, seconds: float) -> None:
        """Remember how long a unit took."""
        document = self._read()
        table = _table(_entry(document, machine, profile), "seconds")
        times = table.get(what, [])
        table[what] = [*(times if _are_times(times) else []), round(seconds, 6)][-_KEPT:]
        self._write(document)

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            document = None
        if isinstance(document, dict) and document.get("version") == VERSION:
            return document
        return {"version": VERSION, "machines": {}}

    def _write(self, document: Mapping[str, Any]) -> None:
        make_directory(self._file.parent)
        write_atomically(self._file, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def profile_key(profile: Profile, sharing: str, slots: int = 1) -> str:
    """A profile's name, and a digest of what its memory and times depend on.

    That is also how its models share a GPU in the end (`Arrangement.sharing`), and how many texts are written
    side by side.
    """
    painter = replace(profile.painter, negative="")
    parts = (painter, profile.writer, profile.clip, profile.value_model, sharing, slots)
    return f"{profile.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"


def _entry(document: dict[str, Any], machine: str, profile: str) -> dict[str, Any]:
    """The entry of a profile on a machine, made if need be."""
    place: Any = document
    for key in ("machines", machine, profile):
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    entry: dict[str, Any] = place
    return entry


def _table(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """A table of an entry, made if need be."""
    if not isinstance(entry.get(key), dict):
        entry[key] = {}
    table: dict[str, Any] = entry[key]
    return table


def _are_times(times: object) -> bool:
    return (
        isinstance(times, list) and bool(times) and all(type(it) in (int, float) and it >= 0 for it in times)
    )
