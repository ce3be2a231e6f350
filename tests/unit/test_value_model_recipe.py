"""The micro value model's training: the recipe's own, a stopped one, and one that was there already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pasta_core.agent.value_model_files import load_value_model
from pasta_core.errors import InvalidInput
from pasta_core.microworld.recipes.value_model_recipe import (
    SHIPPED,
    ValueModelRecipe,
    ship_value_model,
    train_micro_value_model,
)
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.paths import find_assets
from pasta_core.training.value_presets import Objective
from tests.support.paid_trajectories import write_base, write_paid

RECIPE = ValueModelRecipe(steps=6)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "paid.parquet"
    write_paid(file, 8)
    return file


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_base(folder)
    return folder


def shop(folder: Path, *looks: bool) -> Workshop:
    """A workshop that is asked to stop where a look says so."""
    said = iter(looks)

    def report(part: str, figures: Mapping[str, float]) -> None:
        assert figures["step"] <= figures["steps"]

    return Workshop(folder, 3, report, stop=lambda: next(said, False))


def test_a_stopped_training_ends_at_the_same_weights_and_is_shipped_whole(
    data: Path, base: Path, tmp_path: Path
) -> None:
    assets = find_assets()
    whole = train_micro_value_model(data, base, assets, shop(tmp_path / "whole"), RECIPE)
    assert whole == tmp_path / "whole" / "value-model"
    halted = shop(tmp_path / "halted", False, False, True)
    assert train_micro_value_model(data, base, assets, halted, RECIPE) is None
    ended = train_micro_value_model(data, base, assets, shop(tmp_path / "halted"), RECIPE)
    assert ended is not None
    facts = ship_value_model(ended, tmp_path / "out" / "value")
    assert (facts["objective"], facts["reward"], facts["seed"]) == ("columns", "dense", 3)
    assert (facts["config"]["discount"], facts["config"]["steps"]) == (0.2, 6)
    assert {file.name for file in (tmp_path / "out" / "value").iterdir()} == set(SHIPPED)
    for name in SHIPPED:
        assert (tmp_path / "out" / "value" / name).read_bytes() == (whole / name).read_bytes(), name
    assert (
        load_value_model(tmp_path / "out" / "value").network.offset != load_value_model(base).network.offset
    )


def test_a_training_of_another_recipe_or_seed_is_not_taken_for_it(
    data: Path, base: Path, tmp_path: Path
) -> None:
    work, assets = shop(tmp_path), find_assets()
    folder = train_micro_value_model(data, base, assets, work, RECIPE)
    assert folder is not None
    before = (folder / "model.safetensors").read_bytes()
    # nothing is read again of what has ended
    assert train_micro_value_model(tmp_path / "gone", base, assets, work, RECIPE) == folder
    assert (folder / "model.safetensors").read_bytes() == before
    other = ValueModelRecipe(steps=6, objective=Objective.IQL)
    with pytest.raises(InvalidInput, match="trained with objective columns, not iql"):
        train_micro_value_model(data, base, assets, work, other)
    document = json.loads((folder / "value_model.json").read_bytes())
    document["training"]["seed"] = 4
    (folder / "value_model.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInput, match="trained with seed 4, not 3"):
        train_micro_value_model(data, base, assets, work, RECIPE)
