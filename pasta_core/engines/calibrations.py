"""Which models a calibration and a taste's space were made with, and whether these are still there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.value_calibration import ASSUMED, calibration_beside, calibration_of, measured_with
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.engines.fingerprints import content_digest, user_model_name
from pasta_core.errors import ModelUnavailable
from pasta_core.settings import Profile
from pasta_core.users.taste_space_files import load_space, space_beside

__all__ = ["StaleCalibration", "fitting_calibration", "foreign_types", "own_users"]

_SAID = {"value_model": "value model", "space": "space", "clip": "CLIP", "users": "user model"}
"""What they are called, by their names in the file."""


class StaleCalibration(ModelUnavailable):
    """A calibration that was measured with other models than those that are there."""


def fitting_calibration(model: Path | None, profile: Profile) -> ValueCalibration:
    """The calibration of a value model beside a profile's taste, `ASSUMED` where nobody measured one.

    `StaleCalibration` where it was measured with another value model, user model, CLIP or space, whose
    numbers say nothing of these; `ModelUnavailable` where it is damaged. Slow: it reads the whole model.
    """
    if model is None or calibration_beside(model) is None:
        return ASSUMED
    found, then = calibration_of(model), measured_with(model)
    for name, now in _there(model, profile).items():
        if name not in then or then[name] != now:
            raise StaleCalibration(
                f"{calibration_beside(model)} was measured with {_unlike(name, then)}",
                "measure it again: pasta taste calibrate, or delete it",
            )
    return found


def own_users(profile: Profile) -> str | None:
    """What trajectories call the users of the profile's user model; None where it has none here."""
    folder = profile.user_model
    return user_model_name(folder) if folder is not None and folder.is_dir() else None


def foreign_types(profile: Profile) -> str:
    """That the types in a profile's taste space are of another user model than its own, in a line.

    "" where they are its own or nobody knows: spaces did not always say. Raises `ModelUnavailable`. Slow: it
    reads the whole user model.
    """
    file = space_beside(profile.clip.model)
    theirs = "" if file is None else load_space(file).users
    own = own_users(profile) if theirs else None
    if own in (None, theirs):
        return ""
    again = "learn it again: pasta taste space"
    return f"the types in {file} are of another user model ({theirs}) than the profile's ({own}); {again}"


def _there(model: Path, profile: Profile) -> Mapping[str, Any]:
    """What the file has to say, by name, as far as the models are on this machine."""
    clip = profile.clip.model
    space, users = space_beside(clip), own_users(profile)
    return {
        "value_model": content_digest(model),
        "space": None if space is None else content_digest(space),
        # a space is refused beside another CLIP than its own
        **({"clip": encoder_fingerprint(clip)} if space is None and clip.is_dir() else {}),
        **({"users": [users]} if users is not None else {}),
    }


def _unlike(name: str, then: Mapping[str, Any]) -> str:
    return f"another {_SAID[name]}" if name in then else f"a {_SAID[name]} that it does not name"
