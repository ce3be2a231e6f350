"""A taste's space on the disk: one safetensors file beside the CLIP that it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pasta_core.errors import ModelUnavailable
from pasta_core.files import replacing
from pasta_core.users.taste_space import TasteSpace

__all__ = ["SPACE_FILE", "load_space", "save_space", "space_beside"]

SPACE_FILE = "taste-space.safetensors"
"""Its name in the folder of its CLIP; no part of the encoder's fingerprint."""

FORMAT = "pasta-taste-space"
VERSION = 2
_FACTS = "taste_space"
_ARRAYS = {
    "image_basis": 2,
    "text_basis": 2,
    "slope": 2,
    "residual": 2,
    "spread": 2,
    "variances": 1,
    "type_means": 2,
    "type_weights": 1,
}
"""What a file holds, and how many axes each has; all float64."""


def space_beside(clip: Path) -> Path | None:
    """The file of a CLIP folder's space, None where it has none."""
    file = clip / SPACE_FILE
    return file if file.is_file() else None


def save_space(space: TasteSpace, file: Path) -> None:
    """Write a space; the file appears whole, equal spaces as equal bytes. Raises `StorageError`."""
    arrays = {name: np.ascontiguousarray(getattr(space, name), np.float64) for name in _ARRAYS}
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "clip": space.clip,
        "fidelity_scale": space.fidelity_scale,
        "pairs": space.pairs,
        **({"users": space.users} if space.users else {}),
    }
    with replacing(file) as partial:
        # one entry: several would be written in an order that differs from run to run
        save_file(arrays, partial, {_FACTS: json.dumps(facts)})


def load_space(file: Path, clip: str = "") -> TasteSpace:
    """Load a space; `ModelUnavailable` if damaged, foreign, too new, or of another CLIP than `clip`."""
    again = "learn it again: pasta taste space"
    try:
        with safe_open(file, "numpy") as opened:
            facts = _facts(opened.metadata() or {})
            if facts.get("format") != FORMAT:
                raise ModelUnavailable(f"{file} is no taste space", again)
            if facts.get("version") != VERSION:
                raise ModelUnavailable(
                    f"{file} has version {facts.get('version')}, this pasta reads {VERSION}",
                    f"{again}; or update pasta",
                )
            arrays = {name: np.asarray(opened.get_tensor(name), np.float64) for name in _ARRAYS}
            scale, pairs = float(facts["fidelity_scale"]), int(facts["pairs"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"{file} is damaged or cut short", again) from error
    its_clip, users = str(facts.get("clip", "")), str(facts.get("users", ""))
    space = TasteSpace(clip=its_clip, fidelity_scale=scale, pairs=pairs, users=users, **arrays)
    if not _consistent(space):
        raise ModelUnavailable(f"{file} holds arrays that do not fit together", again)
    if clip and space.clip != clip:
        raise ModelUnavailable(f"{file} was learned with another CLIP than the profile's", again)
    return space


def _facts(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What a file says of itself; nothing where it is no space. `ValueError` where that is damaged."""
    facts = json.loads(metadata[_FACTS]) if _FACTS in metadata else metadata
    return facts if isinstance(facts, Mapping) else {}


def _consistent(space: TasteSpace) -> bool:
    arrays = [getattr(space, name) for name in _ARRAYS]
    if any(array.ndim != axes for array, axes in zip(arrays, _ARRAYS.values(), strict=True)):
        return False
    (d, r), (also_d, s), k = space.image_basis.shape, space.text_basis.shape, len(space.type_weights)
    shapes = [(1 + r, 1 + s), (1 + r, 1 + r), (1 + s, 1 + s), (1 + r + s,), (k, 1 + r + s)]
    fits = [a.shape for a in (space.slope, space.residual, space.spread, space.variances, space.type_means)]
    return (
        d == also_d
        and k > 0
        and fits == shapes
        and all(np.isfinite(array).all() for array in (*arrays, np.array(space.fidelity_scale)))
        and bool(
            (space.variances > 0).all() and (space.type_weights >= 0).all() and space.type_weights.sum() > 0
        )
    )
