"""What a value model's calibration is measured on, and that it is of the models that are there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.value_calibration import ASSUMED, save_calibration
from pasta_core.data.sources import parse_source
from pasta_core.data.trajectories import CLIP, TrajectoryRecord, write_trajectories
from pasta_core.engines.calibrations import fitting_calibration
from pasta_core.engines.fingerprints import content_digest
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.users.taste_space_files import space_beside
from pasta_tui.cli._taste_calibration import _of_model_users, measure
from pasta_tui.plain.opening import _weighed
from tests.support.paid_trajectories import trajectories

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


def test_trajectories_of_a_user_models_users_are_taken(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "made.parquet", [record(user="model:0:1", versions="{}")])
    (found,) = _of_model_users([parse_source(f"trajectories:{tmp_path / 'made.parquet'}")], "clip")
    assert found.user == "model:0:1"


def test_a_calibration_counts_for_the_models_it_was_measured_with(tmp_path: Path) -> None:
    model, space = tmp_path / "value", tmp_path / "space"
    model.mkdir()
    (model / "value_model.json").write_text("{}")
    space.write_text("one")
    assert fitting_calibration(None, space) == fitting_calibration(model, space) == ASSUMED
    save_calibration(
        model, KNOWN, {"value_model": content_digest(model), "space": content_digest(space), "clip": "it"}
    )
    assert fitting_calibration(model, space) == KNOWN
    with pytest.raises(ModelUnavailable, match="another space"):
        fitting_calibration(model, None)
    space.write_text("another")
    with pytest.raises(ModelUnavailable, match="another space"):
        fitting_calibration(model, space)
    space.write_text("one")
    (model / "value_model.json").write_text('{"retrained": true}')
    with pytest.raises(ModelUnavailable, match="another value model") as refused:
        fitting_calibration(model, space)
    assert "pasta taste calibrate" in str(refused.value.hint)


def test_a_session_says_that_a_calibration_is_of_other_models_and_goes_by_assumed_numbers(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    profile = load_profile("micro", locate({}))
    (tmp_path / "value_model.json").write_text("{}")
    save_calibration(tmp_path, KNOWN, {})
    assert asyncio.run(_weighed(f"taste+value:{tmp_path}", profile, said.append)) == ASSUMED
    assert len(said) == 1 and "another value model" in said[0] and "pasta taste calibrate" in said[0]
    assert asyncio.run(_weighed("taste+value", profile, said.append)) != ASSUMED
    assert asyncio.run(_weighed("taste", profile, said.append)) == ASSUMED and len(said) == 1


def test_what_ships_fits() -> None:
    profile = load_profile("micro", locate({}))
    assert fitting_calibration(profile.value_model, space_beside(profile.clip.model)) != ASSUMED
