"""Steps of IQL on trajectories: parts of a batch, weights of sources, what is held out and measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pasta_core.agent.value_model import ValueModel
from pasta_core.data.sources import parse_source
from pasta_core.data.trajectories import read_trajectories, write_trajectories
from pasta_core.domain import Choice, Slate
from pasta_core.errors import InvalidInput
from pasta_core.microworld.recipes.value_recipe import build_value_model
from pasta_core.training.em_state import EmState
from pasta_core.training.value_measures import HeldOutValues, word_counts
from pasta_core.training.value_presets import Objective, Reward, ValueModelConfig, value_preset
from pasta_core.training.value_sources import ValueData, read_value_data
from pasta_core.training.value_training import ValueTraining, examples_of, in_parts
from tests.support.paid_trajectories import TINY, write_paid

MICRO = replace(value_preset("micro"), precision="float32", batch=12)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ValueData:
    file = tmp_path_factory.mktemp("data") / "paid.parquet"
    write_paid(file, 24)
    return read_value_data([parse_source(f"trajectories:{file}")], Reward.DENSE)


def small() -> ValueModel:
    torch.manual_seed(0)
    return build_value_model(TINY)


def gradients(data: ValueData, config: ValueModelConfig) -> tuple[float, dict[str, torch.Tensor]]:
    model = small()
    phase = ValueTraining(
        EmState(model.network), examples_of(model, data, Objective.IQL), config, Objective.IQL, seed=3
    )
    loss = phase(0)
    loss.backward()
    named = model.network.named_parameters()
    return float(loss.detach()), {name: one.grad for name, one in named if one.grad is not None}


def test_a_batch_in_parts_has_the_gradient_of_the_whole(data: ValueData) -> None:
    whole, expected = gradients(data, replace(MICRO, tokens=10**6))
    parts, found = gradients(data, replace(MICRO, tokens=600))
    assert parts == pytest.approx(whole, rel=1e-5)
    assert found.keys() == expected.keys() and len(found) > 10
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max())), name


def test_parts_hold_every_example_and_few_enough_tokens(data: ValueData) -> None:
    examples = examples_of(small(), data, Objective.IQL).examples
    parts = in_parts(examples, 1000)
    assert Counter(id(one) for part in parts for one in part) == Counter(map(id, examples))
    for part in parts:
        assert len(part) == 1 or len(part) * max(len(one.tree) for one in part) <= 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"warm_up": -1},
        {"decay": -0.1},
        {"decay": 1.5},
        {"weight_decay": -1.0},
        {"weight_decay": float("inf")},
        {"clip_norm": -1.0},
        {"clip_norm": float("nan")},
    ],
)
def test_a_setting_that_nothing_can_be_learnt_with_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"^{next(iter(changes))} is "):
        replace(MICRO, **changes)


def test_what_the_loop_allows_is_allowed() -> None:
    replace(MICRO, warm_up=0, decay=0.0, weight_decay=0.0, clip_norm=0.0)


def test_a_source_is_drawn_as_often_as_its_weight_says(data: ValueData) -> None:
    heavy = ValueData(
        tuple(replace(one, weight=5.0 if place < 6 else 1.0) for place, one in enumerate(data.trajectories))
    )
    model = small()
    examples = examples_of(model, heavy, Objective.IQL)
    assert examples.weight[:6].sum() == pytest.approx(30 / 48)
    config = replace(MICRO, batch=3)
    phase = ValueTraining(EmState(model.network), examples, config, Objective.IQL, seed=0)
    first = [phase._draw(step)[0].examples[0] for step in range(200)]
    share = np.mean([any(one is that for that in examples.examples[:6]) for one in first])
    assert abs(share - 30 / 48) < 0.1
    again = [phase._draw(step)[0].examples[0] for step in range(20)]
    assert all(one is that for one, that in zip(again, first, strict=False)), "a step draws by its number"


def test_held_out_trajectories_are_apart_and_depend_on_themselves(data: ValueData) -> None:
    training, held_out = data.split(0.25, 100, seed=1)
    assert (len(training), len(held_out)) == (18, 6)
    assert not {one.key for one in training.trajectories} & {one.key for one in held_out.trajectories}
    assert len(data.split(0.9, 4, seed=1)[1]) == 4
    other = data.split(0.25, 100, seed=2)[1]
    assert {one.key for one in other.trajectories} != {one.key for one in held_out.trajectories}


def test_measures_against_values_computed_apart(data: ValueData) -> None:
    model = small()
    model.network.requires_grad_(False)
    examples = examples_of(model, data, Objective.IQL)
    held_out = HeldOutValues(model, data, word_counts(examples.examples), MICRO, seed=0)
    outlook = held_out.measure()
    assert outlook is not None and len(outlook.q) == data.transitions and len(outlook.gains) == len(data)
    assert outlook.followed.tolist() == pytest.approx(list(data.returns(1.0)))
    figures = outlook.figures()
    error = outlook.q - outlook.followed
    assert figures["held_out_error"] == pytest.approx(float(np.sqrt((error**2).mean())))
    assert figures["held_out_bias"] == pytest.approx(float(error.mean()))
    assert (outlook.gains >= -1e-5).all(), "no slate is worth more than the best one"
    assert sum(row["transitions"] for row in outlook.calibration()) == data.transitions
    again = held_out.measure()
    assert again is not None and again.q.tolist() == outlook.q.tolist()


def test_a_bias_of_rare_prompts_is_seen(data: ValueData) -> None:
    model = small()
    model.network.requires_grad_(False)
    counts = word_counts(examples_of(model, data, Objective.IQL).examples)
    plain = HeldOutValues(model, data, counts, MICRO, seed=0)
    rare = [flag for row in plain._rare for flag in row]
    assert 0.05 < np.mean(rare) < 0.2
    outlook = plain.measure()
    assert outlook is not None and np.isfinite([outlook.rare_excess, outlook.rare_in_best]).all()


def test_columns_need_to_be_known(data: ValueData) -> None:
    unknown = ValueData(tuple(replace(one, own=None) for one in data.trajectories))
    with pytest.raises(InvalidInput, match="what each column was worth"):
        examples_of(small(), unknown, Objective.COLUMNS)
    short = build_value_model(replace(TINY, context=16))
    with pytest.raises(InvalidInput, match="fits the model's context"):
        examples_of(short, data, Objective.IQL)


def test_one_trajectory_is_too_little(tmp_path: Path) -> None:
    write_paid(tmp_path / "one.parquet", 1)
    with pytest.raises(InvalidInput, match="1 trajectories"):
        read_value_data([parse_source(f"trajectories:{tmp_path / 'one.parquet'}")], Reward.SPARSE)


def test_a_turn_that_names_what_it_has_not_is_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "paid.parquet"
    write_paid(file, 5)
    first, second, third, *rest = read_trajectories(file)
    turn = first.turns[0]
    odd = (
        replace(turn, choice=Choice(len(turn.slate.indices))),
        replace(turn, slate=Slate((len(turn.candidates), 0))),
        replace(turn, utilities=(1.0,)),
    )
    given = zip((first, second, third), odd, strict=True)
    changed = [replace(one, turns=(bad, *one.turns[1:])) for one, bad in given]
    write_trajectories(file, [*changed, *rest])
    notes: list[str] = []
    data = read_value_data([parse_source(f"trajectories:{file}")], Reward.DENSE, notes.append)
    assert len(data) == 2
    assert [note.partition(": ")[2] for note in notes] == [
        "left out 3 trajectories (a turn names a prompt or a column that it has not)"
    ]


@pytest.mark.parametrize("reward", list(Reward))
def test_what_is_no_number_is_left_out_and_told(tmp_path: Path, reward: Reward) -> None:
    file, odd = tmp_path / "paid.parquet", float("nan")
    write_paid(file, 6)
    first, second, third, fourth, *rest = read_trajectories(file)
    turn = first.turns[0]
    # not of the chosen column, which pays
    columns = tuple(odd if place != turn.choice.column else 0.0 for place in range(len(turn.slate.indices)))
    changes: tuple[dict[str, Any], ...] = (
        {"utilities": columns},
        {"reward": float("inf")},
        {"type_utilities": (columns,)},
        {"posterior": (odd,)},
    )
    given = zip((first, second, third, fourth), changes, strict=True)
    changed = [replace(one, turns=(replace(one.turns[0], **how), *one.turns[1:])) for one, how in given]
    write_trajectories(file, [*changed, *rest])
    notes: list[str] = []
    data = read_value_data([parse_source(f"trajectories:{file}")], reward, notes.append)
    assert len(data) == 2
    assert all(np.isfinite(one.own).all() for one in data.trajectories if one.own is not None)
    assert [note.partition(": ")[2] for note in notes] == [
        "left out 4 trajectories (a utility, a reward or a belief is no finite number)"
    ]
