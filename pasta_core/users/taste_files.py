"""A taste's file (docs/taste.md): JSON with picks and their features, sealed against changes by hand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.domain import Embedding
from pasta_core.errors import InvalidInput
from pasta_core.files import storing, write_atomically
from pasta_core.text import clean
from pasta_core.users.taste_picks import Pick, ordered
from pasta_core.users.taste_record import TasteRecord

__all__ = ["FORMAT", "VERSION", "read_taste", "taste_bytes", "write_taste"]

FORMAT = "pasta-taste"
VERSION = 2
"""Version 2 added slates that were refused; one of version 1 holds none."""
_LONGEST_ID = 200


def write_taste(record: TasteRecord, file: Path) -> None:
    """Write a taste; the file appears whole. Raises `StorageError`."""
    write_atomically(file, taste_bytes(record))


def taste_bytes(record: TasteRecord) -> bytes:
    """A taste as its file holds it; equal tastes are equal bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "clip": record.clip,
        "strength": record.strength,
        "half_life_days": record.half_life_days,
        "picks": [_to_json(pick) for pick in ordered(record.picks)],
    }
    return json.dumps({**document, "sha256": _seal(document)}, ensure_ascii=False, indent=1).encode() + b"\n"


def read_taste(file: Path, mend: str | None = None) -> TasteRecord:
    """Read a taste; `InvalidInput` says in one line what is wrong with a file that is none.

    `mend` is its hint; without one the file is somebody's copy, which can be chosen or made again.
    """
    other, again = mend or "name a file of 'pasta taste export'", mend or "export it again"
    with storing(file):
        data = file.read_bytes()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is no taste, or it is cut short", other) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidInput(f"{file} is no taste", other)
    version = document.get("version")
    if version not in range(1, VERSION + 1):
        newer = isinstance(version, int) and version > VERSION
        raise InvalidInput(
            f"{file} has version {json.dumps(version)[:20]} of the format, this pasta reads up to {VERSION}",
            "update pasta" if newer else again,
        )
    seal = document.pop("sha256", None)
    if seal != _seal(document):
        raise InvalidInput(f"{file} is damaged, or was changed by hand", again)
    try:
        life = document["half_life_days"]
        return TasteRecord(
            picks=tuple(_from_json(row) for row in document["picks"]),
            clip=_text(document["clip"]),
            strength=float(document["strength"]),
            half_life_days=None if life is None else float(life),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", again) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"{file} lacks something that a taste has ({f'{error!r}'[:80]})", again) from error


def _seal(document: Mapping[str, Any]) -> str:
    """The SHA-256 of everything else, whatever its layout."""
    whole = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def _to_json(pick: Pick) -> dict[str, Any]:
    return {
        "session": pick.session,
        "turn": pick.turn,
        "proposal": pick.proposal,
        "when": pick.when.isoformat(),
        "prompts": list(pick.prompts),
        "chosen": list(pick.chosen),
        "outside": pick.outside,
        "critique": pick.critique,
        "images": _packed(pick.images),
        "texts": _packed(pick.texts),
        "critique_text": None if pick.critique_text is None else _packed(pick.critique_text),
    }


def _from_json(row: Mapping[str, Any]) -> Pick:
    prompts = tuple(map(_text, row["prompts"]))
    asked = row["critique_text"]
    return Pick(
        session=_session(row["session"]),
        turn=int(row["turn"]),
        when=datetime.fromisoformat(row["when"]),
        prompts=prompts,
        images=_unpacked(row["images"]).reshape(len(prompts), -1),
        texts=_unpacked(row["texts"]).reshape(len(prompts), -1),
        chosen=tuple(map(int, row["chosen"])),
        outside=bool(row["outside"]),
        critique=_text(row["critique"]),
        critique_text=None if asked is None else _unpacked(asked),
        proposal=int(row.get("proposal", 0)),
    )


def _session(value: object) -> str:
    """A session's id: it is printed wherever a taste is shown, so it is one plain line."""
    session = _text(value)
    if not session or len(session) > _LONGEST_ID or clean(session).text != session:
        raise InvalidInput("a pick's session has no name that a session can have")
    return session


def _text(value: object) -> str:
    """Text that can be written again: a lone surrogate is a `ValueError`, what is no text a `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of text")
    value.encode()
    return value


def _packed(rows: Embedding) -> str:
    """Little-endian float16, in base64."""
    return base64.b64encode(np.ascontiguousarray(rows, "<f2").tobytes()).decode()


def _unpacked(text: str) -> Embedding:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    except binascii.Error as error:
        raise ValueError("features are no base64") from error
