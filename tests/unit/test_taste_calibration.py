"""What a value model's calibration is measured on, and that it is of the models that are there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.value_calibration import ASSUMED, save_calibration
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.sources import parse_source
from pasta_core.data.trajectories import CLIP, TrajectoryRecord, TurnRecord, write_trajectories
from pasta_core.domain import Choice, Slate
from pasta_core.engines.calibrations import fitting_calibration, foreign_types
from pasta_core.engines.fingerprints import content_digest, user_model_name
from pasta_core.engines.specs import selector_under
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.evaluation.taste_calibration import calibration_records
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import Profile
from pasta_core.training.taste_space import read_slates
from pasta_core.users.taste_fit import fit_space
from pasta_core.users.taste_space_files import save_space
from pasta_tui.cli._simulated_types import report_types
from pasta_tui.cli._taste_calibration import measure
from pasta_tui.plain.diagnosis import _calibration, _space
from pasta_tui.plain.diagnosis import _weighed as _said_of
from pasta_tui.plain.opening import _tell_foreign_types, _weighed
from tests.support.paid_trajectories import trajectories
from tests.support.tastes import World

KNOWN = ValueCalibration(slope=0.3, shared=0.1, deviation=0.4)


def measured_on(records: Sequence[TrajectoryRecord], folder: Path, weight: str = "") -> None:
    write_trajectories(folder / "made.parquet", records)
    measure([f"trajectories:{folder / 'made.parquet'}{weight}"], None, "micro", True)


def record(**changes: object) -> TrajectoryRecord:
    return replace(next(trajectories(1, 0)), **changes)  # type: ignore[arg-type]


def test_planted_raters_are_not_measured_on(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has choices of planted") as refused:
        measured_on([record(user="planted:3")], tmp_path)
    assert "--users model" in str(refused.value.hint)


def test_embeddings_of_another_clip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="embeddings of another CLIP"):
        measured_on([record(user="model:0:1", versions=f'{{"{CLIP}": "other"}}')], tmp_path)


def test_a_weight_that_would_count_for_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="every slate counts once"):
        measured_on([record(user="model:0:1")], tmp_path, "@2")


def test_users_of_another_user_model_than_the_profiles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="choices of model:0, and the profile's user model is model:"):
        measured_on([record(user="model:0:1")], tmp_path)


def test_trajectories_of_the_user_models_users_are_taken(tmp_path: Path) -> None:
    profile = load_profile("micro", locate({}))
    assert profile.user_model is not None
    name = user_model_name(profile.user_model)
    sources = [parse_source(f"trajectories:{tmp_path / 'made.parquet'}")]
    write_trajectories(tmp_path / "made.parquet", [record(user=f"{name}:1", versions="{}")])
    (found,) = calibration_records(sources, profile)
    assert found.user == f"{name}:1"
    # a profile without a user model does not say whose choices are meant
    write_trajectories(tmp_path / "made.parquet", [record(user="model:0:1", versions="{}")])
    (found,) = calibration_records(sources, replace(profile, user_model=None))
    assert found.user == "model:0:1"


_NAMES = "names a prompt, a column or a type that it has not"
_NO_NUMBER = "has a utility, a reward or a belief that is no finite number"


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (lambda turn: replace(turn, slate=Slate((len(turn.candidates), *turn.slate.indices[1:]))), _NAMES),
        (lambda turn: replace(turn, choice=Choice(len(turn.slate.indices))), _NAMES),
        (lambda turn: replace(turn, utilities=turn.utilities[:-1]), _NAMES),
        (lambda turn: replace(turn, columns=((),)), _NAMES),
        (lambda turn: replace(turn, type_utilities=((1.0,),)), _NAMES),
        (lambda turn: replace(turn, type_utilities=((1.0,) * 4,), posterior=(0.5, 0.5)), _NAMES),
        (lambda turn: replace(turn, utilities=(float("nan"), *turn.utilities[1:])), _NO_NUMBER),
        (lambda turn: replace(turn, type_utilities=((float("inf"),) * 4,)), _NO_NUMBER),
        (lambda turn: replace(turn, posterior=(float("nan"),)), _NO_NUMBER),
    ],
)
def test_a_turn_that_names_or_weighs_what_it_has_not_is_refused_with_its_file(
    tmp_path: Path, odd: Callable[[TurnRecord], TurnRecord], why: str
) -> None:
    good = record(user="model:0:1", user_type=0)
    turns = (good.turns[0], odd(good.turns[1]), *good.turns[2:])
    write_trajectories(tmp_path / "a.parquet", [good])
    write_trajectories(tmp_path / "b.parquet", [replace(good, id="8", turns=turns)])
    profile = replace(load_profile("micro", locate({})), user_model=None)
    clip = encoder_fingerprint(profile.clip.model)
    for read in (
        lambda: calibration_records([parse_source(f"trajectories:{tmp_path}")], profile),
        lambda: read_slates([tmp_path], clip, lambda texts: np.ones((len(texts), 2), np.float32)),
        lambda: report_types(tmp_path, True),
    ):
        with pytest.raises(InvalidInput, match=rf"b\.parquet: trajectory 8 {why}"):
            read()


def test_a_user_of_a_type_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    good = record(user_type=1)
    odd = [replace(turn, type_utilities=((0.0,) * 4,)) for turn in good.turns]
    write_trajectories(tmp_path / "a.parquet", [replace(good, turns=tuple(odd))])
    with pytest.raises(InvalidInput, match="a type that it has not"):
        report_types(tmp_path, True)


def test_a_value_model_of_another_profile_is_not_weighed(tmp_path: Path) -> None:
    document = {"format": "pasta-value-model", "version": 1, "training": {"profiles": ["other"]}}
    (tmp_path / "value_model.json").write_text(json.dumps(document))
    with pytest.raises(ModelUnavailable, match="was trained for profile other, not for micro"):
        measure([], tmp_path, "micro", True)
    with pytest.raises(ModelUnavailable, match="no value model in"):
        measure([], tmp_path / "nowhere", "micro", True)


def a_profile(folder: Path) -> Profile:
    """One whose models are files that a test can exchange."""
    value, users, clip = folder / "value", folder / "users", folder / "clip"
    for place in (value, users, clip):
        place.mkdir()
    (value / "value_model.json").write_text("{}")
    (users / "user_model.json").write_text("{}")
    (users / "user_model.safetensors").write_text("weights")
    (clip / "open_clip_config.json").write_text("{}")
    (clip / "taste-space.safetensors").write_text("space")
    micro = load_profile("micro", locate({}))
    return replace(
        micro, value_model=value, user_model=users, clip=replace(micro.clip, model=clip), lineage=()
    )


def measured_here(profile: Profile) -> dict[str, object]:
    assert profile.value_model is not None and profile.user_model is not None
    clip = profile.clip.model
    return {
        "value_model": content_digest(profile.value_model),
        "users": [user_model_name(profile.user_model)],
        "clip": encoder_fingerprint(clip),
        "space": content_digest(clip / "taste-space.safetensors"),
    }


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("value/value_model.json", "value model"),
        ("users/user_model.safetensors", "user model"),
        ("clip/taste-space.safetensors", "space"),
    ],
)
def test_a_calibration_counts_for_the_models_it_was_measured_with(
    tmp_path: Path, file: str, what: str
) -> None:
    profile = a_profile(tmp_path)
    model = profile.value_model
    assert model is not None
    assert fitting_calibration(None, profile) == fitting_calibration(model, profile) == ASSUMED
    save_calibration(model, KNOWN, measured_here(profile))
    assert fitting_calibration(model, profile) == KNOWN
    (tmp_path / file).write_text('{"retrained": true}')
    with pytest.raises(ModelUnavailable, match=f"was measured with another {what}") as refused:
        fitting_calibration(model, profile)
    assert "pasta taste calibrate" in str(refused.value.hint)
    # what is measured is refused as it is asked for
    with pytest.raises(ModelUnavailable, match=f"another {what}"):
        selector_under("taste+value", profile)
    assert selector_under("value", profile).path == model


def test_without_a_space_the_clip_itself_is_compared(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    assert profile.value_model is not None
    (tmp_path / "clip" / "taste-space.safetensors").unlink()
    model, clip = profile.value_model, encoder_fingerprint(tmp_path / "clip")
    profile = replace(profile, user_model=None)
    measured = {"value_model": content_digest(model), "space": None, "clip": clip}
    save_calibration(model, KNOWN, measured)
    assert fitting_calibration(model, profile) == KNOWN
    (tmp_path / "clip" / "open_clip_config.json").write_text('{"retrained": true}')
    with pytest.raises(ModelUnavailable, match="another CLIP"):
        fitting_calibration(model, profile)


def test_a_calibration_that_does_not_say_what_it_was_measured_with_counts_for_nothing(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    assert profile.value_model is not None
    measured = measured_here(profile)
    del measured["users"]
    save_calibration(profile.value_model, KNOWN, measured)
    with pytest.raises(ModelUnavailable, match="with a user model that it does not name"):
        fitting_calibration(profile.value_model, profile)


def test_a_user_model_that_is_not_here_is_not_compared(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    assert profile.value_model is not None
    save_calibration(profile.value_model, KNOWN, measured_here(profile))
    for elsewhere in (None, tmp_path / "gone"):
        there = replace(profile, user_model=elsewhere)
        assert fitting_calibration(profile.value_model, there) == KNOWN


def test_the_doctor_tells_what_weighs_the_value_model(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    assert profile.value_model is not None
    assert _calibration(replace(profile, value_model=None)) is None
    assert _calibration(profile) == {"file": None, "problem": None}
    save_calibration(profile.value_model, KNOWN, measured_here(profile))
    file = str(profile.value_model / "taste-calibration.json")
    assert _calibration(profile) == {"file": file, "problem": None}
    (tmp_path / "users" / "user_model.json").write_text("[]")
    found = _calibration(profile)
    assert found is not None and found["file"] == file
    assert "another user model; measure it again: pasta taste calibrate" in found["problem"]


UNREADABLE = Path("/proc/self/mem")
"""What opens, and refuses to be read from its beginning, to root too."""


@pytest.mark.parametrize(
    "file",
    [
        "value/value_model.json",
        "users/user_model.safetensors",
        "clip/taste-space.safetensors",
        "clip/open_clip_config.json",
    ],
)
def test_a_model_that_cannot_be_read_is_named_and_the_doctor_goes_on(tmp_path: Path, file: str) -> None:
    profile = a_profile(tmp_path)
    assert profile.value_model is not None
    measured = measured_here(profile)
    if file == "clip/open_clip_config.json":
        # without a space the CLIP itself is read
        (tmp_path / "clip" / "taste-space.safetensors").unlink()
        measured["space"] = None
    save_calibration(profile.value_model, KNOWN, measured)
    (tmp_path / file).unlink()
    (tmp_path / file).symlink_to(UNREADABLE)
    with pytest.raises(ModelUnavailable, match=f"{file} cannot be read \\(Input/output error\\)"):
        fitting_calibration(profile.value_model, profile)
    found = _calibration(profile)
    assert found is not None and found["problem"].endswith("correct its path in the profile")


def test_a_folder_that_cannot_be_looked_at_is_named_by_the_doctor_too(tmp_path: Path) -> None:
    profile = replace(a_profile(tmp_path), value_model=tmp_path / ("x" * 300))
    found = _calibration(profile)
    assert found is not None and found["file"] is None
    assert "cannot be read (File name too long); make it readable" in found["problem"]
    assert _said_of(found) == found["problem"]


def test_a_session_says_that_a_calibration_is_of_other_models_and_goes_by_assumed_numbers(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    profile = load_profile("micro", locate({}))
    (tmp_path / "value_model.json").write_text("{}")
    save_calibration(tmp_path, KNOWN, {"value_model": "another's"})
    assert asyncio.run(_weighed(f"taste+value:{tmp_path}", profile, said.append)) == ASSUMED
    assert len(said) == 1 and "another value model" in said[0] and "pasta taste calibrate" in said[0]
    assert asyncio.run(_weighed("taste+value", profile, said.append)) != ASSUMED
    assert asyncio.run(_weighed("taste", profile, said.append)) == ASSUMED and len(said) == 1


def a_space(profile: Profile, users: str) -> Path:
    """A space beside the profile's CLIP, with types of a user model."""
    file = profile.clip.model / "taste-space.safetensors"
    clip = encoder_fingerprint(profile.clip.model)
    save_space(replace(fit_space(clip, [World.drawn(3).pick("a cat", 1)]), users=users), file)
    return file


def test_types_of_another_user_model_are_told_of_by_sessions_that_go_by_them_and_by_the_doctor(
    tmp_path: Path,
) -> None:
    profile = a_profile(tmp_path)
    assert profile.user_model is not None
    own = user_model_name(profile.user_model)
    file = a_space(profile, own)
    assert foreign_types(profile) == ""
    assert _space(profile) == {"file": str(file), "users": own, "problem": None}
    # a space from before did not say
    a_space(profile, "")
    assert foreign_types(profile) == ""
    assert _space(profile) == {"file": str(file), "users": None, "problem": None}

    a_space(profile, own)
    (tmp_path / "users" / "user_model.safetensors").write_text("trained anew")
    said: list[str] = []
    for selector in ("random", "value", "taste", "taste+value"):
        asyncio.run(_tell_foreign_types(selector, profile, said.append))
    assert len(said) == 2 and len(set(said)) == 1
    assert f"another user model ({own}) than the profile's" in said[0] and "pasta taste space" in said[0]
    found = _space(profile)
    assert found is not None and found["problem"] == said[0]
    assert foreign_types(replace(profile, user_model=None)) == ""
    file.unlink()
    assert foreign_types(profile) == "" and _space(profile) is None


def test_the_doctor_tells_of_a_space_that_cannot_be_used(tmp_path: Path) -> None:
    profile = a_profile(tmp_path)
    found = _space(profile)
    assert found is not None and "is damaged or cut short; learn it again" in found["problem"]
    a_space(profile, "")
    (tmp_path / "clip" / "open_clip_config.json").write_text('{"exchanged": true}')
    found = _space(profile)
    assert found is not None and "another CLIP" in found["problem"]


def test_what_ships_fits() -> None:
    profile = load_profile("micro", locate({}))
    assert fitting_calibration(profile.value_model, profile) != ASSUMED
    assert foreign_types(profile) == ""
