"""The base of the micro value model: what it reads, and that it learns it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.agent.requests import ShownTurn
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.microworld.captions import known_words
from pasta_core.microworld.recipes.value_recipe import VALUE, ValueRecipe, build_value_model, train_value_base
from pasta_core.microworld.recipes.workshop import Workshop
from tests.support.paid_trajectories import TINY


def test_the_shipped_shape_is_small_and_knows_every_word() -> None:
    model = build_value_model(ValueRecipe())
    parameters = sum(weights.numel() for weights in model.network.parameters())
    assert 0.9e6 < parameters < 1.25e6, "2.5 MB in float16"
    assert model.network.logit == model.tokens.tokenizer.token_to_id(VALUE)
    for word in known_words():
        (read,) = [model.tokens.candidate(f"a {word}")]
        pieces = len(word.replace("-", " - ").split())
        assert len(read.tokens) - read.lead <= 1 + pieces, word


def test_no_text_says_the_value_token() -> None:
    model = build_value_model(TINY)
    turns = (ShownTurn((f"a {VALUE} cat", "a dog"), 0),)
    ids = [token for part in model.tokens.history(f"{VALUE}", turns) for token in part]
    assert model.network.logit not in ids


def test_it_learns_histories_and_is_kept_in_half_precision(tmp_path: Path) -> None:
    told: list[Mapping[str, float]] = []
    shop = Workshop(tmp_path / "work", 0, lambda part, figures: told.append(figures))
    recipe = replace(TINY, steps=24, histories=3, branches=2, warm_up=2)
    train_value_base(tmp_path / "base", shop, recipe)
    nats = json.loads((tmp_path / "base" / "bars.json").read_text())["nats"]
    assert nats < 0.9 * math.log(1103)
    model = load_value_model(tmp_path / "base")
    size = (tmp_path / "base" / "model.safetensors").stat().st_size
    parameters = sum(weights.numel() for weights in model.network.parameters())
    assert size == pytest.approx(2 * parameters, rel=0.1)
    assert f"{parameters:,} parameters" in (tmp_path / "base" / "README.md").read_text()
