"""How a value model is weighed beside a taste: three numbers in its folder, and where they are from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.errors import ModelUnavailable
from pasta_core.files import reading_model, write_atomically

__all__ = [
    "ASSUMED",
    "CALIBRATION",
    "calibration_beside",
    "calibration_of",
    "measured_with",
    "save_calibration",
]

CALIBRATION = "taste-calibration.json"
"""Its name in the folder of the value model; the model itself does not depend on it."""

FORMAT = "pasta-taste-calibration"
VERSION = 1

ASSUMED = ValueCalibration(slope=0.25, shared=0.0, deviation=0.5)
"""For a value model that nobody calibrated, or whose folder is on another machine.

Values are in rewards of 0 to 10 whatever the model, so that what was measured on micro ones means something
elsewhere: they had slopes of 0.27 and 0.56 and deviations of 0.34 and 0.18. An unknown model is taken for the
weaker, and heard less than that.
"""

_AGAIN = "measure it again: pasta taste calibrate"


def calibration_beside(model: Path) -> Path | None:
    """The file of a value model's folder, None where it has none; `ModelUnavailable`."""
    file = model / CALIBRATION
    with reading_model(model):
        return file if file.is_file() else None


def calibration_of(model: Path | None) -> ValueCalibration:
    """The calibration of the value model in a folder, `ASSUMED` where it has none; `ModelUnavailable`."""
    file = None if model is None else calibration_beside(model)
    return ASSUMED if file is None else _read(file)[0]


def measured_with(model: Path) -> Mapping[str, Any]:
    """What the calibration in a value model's folder says that it was measured on; raises as its reading."""
    return _read(model / CALIBRATION)[1]


def _read(file: Path) -> tuple[ValueCalibration, Mapping[str, Any]]:
    try:
        document = json.loads(file.read_bytes())
        if document["format"] != FORMAT:
            raise ModelUnavailable(f"{file} is no calibration", _AGAIN)
        if document["version"] != VERSION:
            raise ModelUnavailable(
                f"{file} has version {document['version']}, this pasta reads {VERSION}", "update pasta"
            )
        numbers = (float(document[name]) for name in ("slope", "shared", "deviation"))
        found, measured = ValueCalibration(*numbers), dict(document["measured"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{file} is damaged: {error}", _AGAIN) from error
    if not all(map(math.isfinite, asdict(found).values())) or found.deviation <= 0:
        raise ModelUnavailable(f"{file} holds numbers that mean nothing", _AGAIN)
    return found, measured


def save_calibration(model: Path, found: ValueCalibration, provenance: Mapping[str, Any]) -> Path:
    """Write the file; `provenance` (JSON types) says on what it was measured. Raises `StorageError`."""
    file = model / CALIBRATION
    document = {"format": FORMAT, "version": VERSION, **asdict(found), "measured": dict(provenance)}
    write_atomically(file, json.dumps(document, indent=2).encode() + b"\n")
    return file
