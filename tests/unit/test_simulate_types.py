"""Which types simulated data tells apart: planted answers, and what cannot be reported on."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pasta_core.agent.selectors import RandomSelector
from pasta_core.data.trajectories import TrajectoryRecord, write_trajectories
from pasta_core.domain import CandidateForm
from pasta_core.engines.fingerprints import user_model_digest
from pasta_core.errors import InvalidInput
from pasta_core.simulation.engine import cases, prompt_of, simulate
from pasta_core.simulation.identifiability import PairOfTypes, type_report
from pasta_core.simulation.model_users import ModelPopulation, cosine_scale
from pasta_core.users.merging import merged
from pasta_core.users.model_files import load_user_model, save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_tui.cli._simulated_types import report_types
from tests.support.simulated import ColourTypes, small_crew

RANDOM = RandomSelector(CandidateForm())


def simulated(types: ColourTypes, count: int = 60) -> list[TrajectoryRecord]:
    population = ModelPopulation("model:colours", types, cosine_scale(types.sharpness))

    async def all_of() -> list[TrajectoryRecord]:
        crew = replace(small_crew(), population=population)
        wanted = cases(population, prompt_of(("a cat",)), 1, range(count))
        return [record async for record in simulate(wanted, lambda case: RANDOM, crew)]

    return asyncio.run(all_of())


RED, GREEN = [1.0, 0, 0], [0, 1.0, 0]


def pair_of(types: ColourTypes, first: int, second: int) -> PairOfTypes:
    return next(
        pair for pair in type_report(simulated(types)).pairs if (pair.first, pair.second) == (first, second)
    )


def test_types_with_other_tastes_are_told_apart_by_both() -> None:
    pair = pair_of(ColourTypes(np.array([RED, GREEN])), 0, 1)
    assert pair.choices_separate and pair.rewards_separate
    assert pair.nats is not None and pair.nats > 0.5
    assert pair.difference == pytest.approx(np.sqrt(2), abs=0.3)


def test_twins_are_merged_also_through_a_third() -> None:
    report = type_report(simulated(ColourTypes(np.array([RED, GREEN, RED, RED]))))
    assert report.groups == ((0, 2, 3), (1,))
    twins = [pair for pair in report.pairs if not pair.separate]
    assert [(pair.first, pair.second) for pair in twins] == [(0, 2), (0, 3), (2, 3)]
    assert all(pair.nats == pytest.approx(0, abs=1e-9) and pair.difference == 0 for pair in twins)
    assert sum(report.counts) == report.trajectories == 60
    assert report.slates == 120


def test_the_same_taste_felt_more_strongly_is_another_type() -> None:
    # they rank alike, but one of them chooses at random
    pair = pair_of(ColourTypes(np.array([RED, [0.02, 0, 0]])), 0, 1)
    assert pair.separate and pair.choices_separate


def test_a_constant_more_is_no_other_taste() -> None:
    class Shifted(ColourTypes):
        async def appraise(self, initial_prompt, columns):  # type: ignore[no-untyped-def]
            found = await super().appraise(initial_prompt, columns)
            return replace(found, utilities=found.utilities + np.array([[0.0], [3.0]]))

    pair = pair_of(Shifted(np.array([RED, RED])), 0, 1)
    assert pair.difference == pytest.approx(0, abs=1e-9) and not pair.separate


def test_nothing_to_report_on_is_said(tmp_path: Path) -> None:
    records = simulated(ColourTypes(), 2)
    with pytest.raises(InvalidInput, match="know no user types"):
        type_report([replace(record, user_type=None) for record in records])
    other = simulated(ColourTypes(np.eye(3)), 1)
    with pytest.raises(InvalidInput, match="different user models"):
        type_report([*records, *other])


def test_the_report_reads_as_a_table_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "data.parquet"
    write_trajectories(file, simulated(ColourTypes(np.array([RED, RED, GREEN]))))
    report_types(file, as_json=False)
    printed = capsys.readouterr().out
    assert "2 of 3 pairs are told apart" in printed
    assert "one type each, by this data: 0, 1" in printed
    report_types(file, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["groups"] == [[0, 1], [2]] and document["merged"] is None
    assert [pair["rewards_separate"] for pair in document["pairs"]] == [False, True, True]


def three_types(folder: Path, *, tuned: bool = False) -> UserModel:
    """A user model in `three`, and trajectories of its users in `data.parquet`; two of its types are one."""
    torch.manual_seed(0)
    model = UserModel(UserModelConfig(4, types=3))
    model.prior.copy_(torch.tensor([0.2, 0.5, 0.3]))
    save_user_model(model, folder / "three")
    if tuned:
        (folder / "three" / "clip").mkdir()
        (folder / "three" / "clip" / "weights").write_text("of an encoder that was tuned")
    name = f"model:{user_model_digest(folder / 'three')[:12]}"
    records = simulated(ColourTypes(np.array([RED, RED, GREEN])))
    named = [replace(one, user=f"{name}:{one.user_type}") for one in records]
    write_trajectories(folder / "data.parquet", named)
    return model


def test_what_is_merged_is_there_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    three_types(tmp_path, tuned=True)
    asked = (tmp_path / "data.parquet", True, tmp_path / "three", tmp_path / "new" / "two")
    whole = shutil.copytree

    def killed(source: Path, target: Path) -> None:
        whole(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as there:
        there.setattr(shutil, "copytree", killed)
        # nothing is tidied up by a process that is killed
        there.setattr(shutil, "rmtree", lambda *given, **named: None)
        with pytest.raises(KeyboardInterrupt):
            report_types(*asked)
    assert not asked[3].exists() and len(list(asked[3].parent.iterdir())) == 1
    report_types(*asked)
    assert json.loads(capsys.readouterr().out)["merged"] == str(asked[3])
    assert [file.name for file in asked[3].parent.iterdir()] == ["two"]
    assert sorted(file.name for file in asked[3].iterdir()) == [
        "clip",
        "user_model.json",
        "user_model.safetensors",
    ]
    assert (asked[3] / "clip" / "weights").read_text() == "of an encoder that was tuned"
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="not an empty folder"):
        report_types(*asked[:3], tmp_path / "file")


def test_types_that_are_one_are_merged_in_their_user_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = three_types(tmp_path)
    report_types(tmp_path / "data.parquet", False, tmp_path / "three", tmp_path / "two")
    assert "3 types merged into 2" in capsys.readouterr().err
    found = load_user_model(tmp_path / "two")
    assert found.prior.tolist() == pytest.approx([0.7, 0.3])
    seen = torch.randn(5, 4), torch.randn(5, 4), torch.arange(5), torch.arange(5)
    assert torch.allclose(found.cosines(*seen), model.cosines(*seen)[:, [1, 2]], atol=1e-6)
    slate = torch.randn(6, 4)
    assert torch.equal(found.log_choices(slate), model.log_choices(slate))
    with pytest.raises(InvalidInput, match="not an empty folder"):
        report_types(tmp_path / "data.parquet", False, tmp_path / "three", tmp_path / "two")
    with pytest.raises(InvalidInput, match="not simulated with"):
        report_types(tmp_path / "data.parquet", False, tmp_path / "two", tmp_path / "other")
    with pytest.raises(InvalidInput, match="each of 3 types once"):
        merged(model, [[0, 1]])
    with pytest.raises(InvalidInput, match="needs a user model and a place"):
        report_types(tmp_path / "data.parquet", False, tmp_path / "three")
