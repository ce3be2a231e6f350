"""`value_model.json`: what a value model's folder says of itself, read without a model library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pasta_core.errors import ModelUnavailable
from pasta_core.settings import Profile
from pasta_core.text import clean_line

__all__ = [
    "AGAIN",
    "CONFIG",
    "FORMAT",
    "VERSION",
    "foreign_note",
    "read_document",
    "refuse_foreign",
    "require_value_model",
]

FORMAT = "pasta-value-model"
VERSION = 1
CONFIG = "value_model.json"
AGAIN = "train or fetch it again"


def read_document(folder: Path) -> dict[str, Any]:
    """Read it; `ModelUnavailable` where it is missing, damaged, of something else or too new."""
    file = folder / CONFIG
    if not file.is_file():
        raise ModelUnavailable(
            f"there is no value model in {file.parent}", "'pasta train-value-model --out DIR' makes one"
        )
    try:
        document = json.loads(file.read_bytes())
        name, version = document["format"], document["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnavailable(f"{file} does not describe a value model", AGAIN) from error
    if name != FORMAT:
        raise ModelUnavailable(f"{file} describes something else", "name the folder of a value model")
    if version != VERSION:
        raise ModelUnavailable(f"{file} has version {version}, this pasta reads {VERSION}", "update pasta")
    return dict(document)


def refuse_foreign(folder: Path, document: Mapping[str, Any], profiles: Sequence[str]) -> None:
    """Refuse (`ModelUnavailable`) a model that says that it was trained for none of these profiles.

    What it values are one writer's words and one painter's images. The first of `profiles` is the one in use,
    the others those that it extends; one that does not say what it was trained for is taken.
    """
    if made := _foreign(document, profiles):
        raise ModelUnavailable(
            f"the value model in {folder} was trained for profile {made}, not for {profiles[0]}",
            "train one for this profile, or name it as value_model in a profile of your own",
        )


def foreign_note(profile: Profile) -> str:
    """What to say of a profile's own value model that was trained for another one, which is not refused.

    "" mostly, and where its folder cannot be read, of which others complain.
    """
    if profile.value_model is None:
        return ""
    try:
        document = read_document(profile.value_model)
    except ModelUnavailable:
        return ""
    if not (made := _foreign(document, (profile.name, *profile.lineage))):
        return ""
    return (
        f"the value model of profile {profile.name} was trained for profile {made}: what it values may not "
        "be what is written and painted here"
    )


def _foreign(document: Mapping[str, Any], profiles: Sequence[str]) -> str:
    """The profiles that a model says that it was trained for, if none of these is one of them, else ""."""
    facts = document.get("training")
    told = facts.get("profiles") if isinstance(facts, dict) else None
    made = [name for name in told if isinstance(name, str)] if isinstance(told, list) else []
    foreign = profiles and made and not set(made) & set(profiles)
    return clean_line(", ".join(made)) if foreign else ""


def require_value_model(folder: Path, profile: Profile) -> None:
    """Refuse what somebody names as the value model of a run under a profile, before anything starts.

    Refused as by `read_document` and `refuse_foreign`. What a profile calls its own value model need not be
    asked.
    """
    refuse_foreign(folder, read_document(folder), (profile.name, *profile.lineage))
