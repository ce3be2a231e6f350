"""The micro value model: what ships, and its recipe from nothing to its card on the shipped models."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.value_calibration import ASSUMED, calibration_of
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.engines.calibrations import fitting_calibration
from pasta_core.evaluation.micro_value_model import ValueModelBuild
from pasta_core.microworld.dialogues import sample_dialogue
from pasta_core.microworld.recipes.value_model_recipe import ValueModelRecipe
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.paths import find_assets, locate
from pasta_core.profiles import load_profile
from pasta_core.settings import SessionSettings
from pasta_core.training.value_base import shipped_base


def test_what_ships_is_of_the_recipe_and_foresees_returns() -> None:
    profile, recipe = load_profile("micro", locate({})), ValueModelRecipe()
    assert profile.value_model is not None
    facts = json.loads((profile.value_model / "value_model.json").read_bytes())["training"]
    assert (facts["objective"], facts["reward"]) == (str(recipe.objective), str(recipe.reward))
    assert (facts["config"]["steps"], facts["config"]["discount"]) == (recipe.steps, recipe.discount)
    model, base = load_value_model(profile.value_model), load_value_model(shipped_base(find_assets()))
    assert model.tokens.tokenizer.get_vocab() == base.tokens.tokenizer.get_vocab()
    rng, gains = random.Random(0), []
    for turn in range(2, 12):
        dialogue = sample_dialogue(rng, turn=1 + turn % 4)
        request = dialogue.request
        prompts = tuple(candidate.prompt for candidate in dialogue.answer)
        values = score(model, ValueRequest(request.initial_prompt, request.turns, prompts))
        # rewards lie between 0 and 10
        assert all(0 < value < 10 / (1 - recipe.discount) for value in values)
        gains.append(max(values) - sum(values) / len(values))
    assert sum(gains) / len(gains) > 0.3, "it tells prompts apart"


def test_it_is_simulated_for_trained_measured_and_told(tmp_path: Path) -> None:
    told: list[str] = []

    def report(part: str, figures: Mapping[str, float]) -> None:
        told.append(part)

    recipe = ValueModelRecipe(trajectories=3, images=1, prefixes=False, steps=4)
    shape = SessionSettings(turns=2, images=2)
    build = ValueModelBuild(locate({}), recipe, 2, {"types": "model"}, shape, weighed=4)
    shop, out = Workshop(tmp_path / "work", 5, report), tmp_path / "out"
    build(out, shop, None)
    load_value_model(out / "value")
    manifest = json.loads((shop.folder / "simulated" / "manifest.json").read_bytes())
    assert manifest["complete"] and manifest["trajectories"] == 3
    assert manifest["plan"]["selector"] == "random" and manifest["plan"]["users"].startswith("model:")
    weighed = json.loads((shop.folder / "weighed" / "manifest.json").read_bytes())
    assert weighed["complete"] and weighed["trajectories"] == 4
    assert weighed["plan"]["users"] == manifest["plan"]["users"]
    assert [it["plan"]["seed"] for it in (manifest, weighed)] == [5, 36]
    assert [it["plan"]["settings"]["images"] for it in (manifest, weighed)] == [1, 2]
    bars = json.loads((out / "value" / "bars.json").read_bytes())
    card = (out / "value" / "README.md").read_text()
    assert "3 trajectories" in card and "1 image to a prompt, seed 5" in card and "of seed 22" in card
    typed = "--reward dense --objective columns --steps 4 --set discount=0.2 --set prefixes=false"
    assert f"    pasta train-value-model {typed}\n" in card
    for title, (floor, value) in bars["agents"].items():
        difference = value["mean"] - floor["mean"]
        assert f"| {title} | 2 | {floor['mean']:.2f} (" in card
        assert f"| {difference:.2f} (" in card
        assert value["turns"][0]["predicted"] is not None, "its slates are the model's"
    # it is weighed beside the taste of the models that are there, and says so
    made = fitting_calibration(out / "value", load_profile("micro", locate({})))
    assert made == calibration_of(out / "value") != ASSUMED
    assert bars["beside_taste"]["slope"] == made.slope
    assert bars["beside_taste"]["measured"]["trajectories"] == 4 and "on 4 more trajectories" in card
    assert f"slope {made.slope:.3f}, shared {made.shared:.3f}" in card
    # what is there is taken as it is, and the card comes out the same
    told.clear()
    build(out, shop, None)
    assert set(told) == {"weighing"}
    assert (out / "value" / "README.md").read_text() == card
    # asked to stop, it keeps what is done and says nothing of it
    (out / "value" / "README.md").unlink()
    build(out, Workshop(tmp_path / "other", 5, report, stop=lambda: True), None)
    assert not (tmp_path / "other" / "value-model").exists()
    assert not (out / "value" / "README.md").exists()
