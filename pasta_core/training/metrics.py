"""Metrics as JSON lines: appended as they come, cut back to the checkpoint that a run is resumed from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pasta_core.files import storing, write_atomically

__all__ = ["MetricsFile", "finite"]


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with what is no number as None: JSON has no word for it."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


class MetricsFile:
    """`metrics.jsonl`: one object a report, each with its `phase` and `step`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def forget_after(self, phase: str, step: int) -> None:
        """Drop the lines of `phase` after `step`, which a resumed run writes again, and any cut line."""
        if not self._path.is_file():
            return
        with storing(self._path):
            lines = self._path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _stays(line, phase, step)]
        write_atomically(self._path, "".join(f"{line}\n" for line in kept).encode())

    def append(self, values: Mapping[str, Any]) -> None:
        """Add one line."""
        with storing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def _stays(line: str, phase: str, step: int) -> bool:
    try:
        values = json.loads(line)
        return bool(values["phase"] != phase or values["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
