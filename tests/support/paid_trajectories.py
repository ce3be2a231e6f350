"""Trajectories of users who look for a word or two: what pays is in the prompts, and nothing is painted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import torch

from pasta_core.agent.value_model_files import save_value_model
from pasta_core.data.trajectories import TrajectoryRecord, TurnRecord, write_trajectories
from pasta_core.domain import Candidate, Choice, Slate
from pasta_core.microworld.dialogues import sample_dialogue
from pasta_core.microworld.recipes.value_recipe import ValueRecipe, build_value_model

TINY = ValueRecipe(layers=2, width=48, heads=2, inner=96, context=2048)

TASTES = (("night", "watercolour"), ("sunset", "red"), ("snow", "pixel"), ("sea", "blue"))


def utility(prompt: str, taste: tuple[str, ...]) -> float:
    """How many of the taste's words a prompt says."""
    return float(sum(word in prompt for word in taste))


def trajectories(count: int, seed: int, turns: int = 3) -> Iterator[TrajectoryRecord]:
    """Random slates; the user chooses the column that says most of its words, and is paid by it."""
    rng = random.Random(seed)
    for number in range(count):
        kind = rng.randrange(len(TASTES))
        yield TrajectoryRecord(
            id=f"{seed}-{number}",
            source="test",
            complete=True,
            user=f"taste:{kind}",
            profile="micro",
            selector="random",
            seed=number,
            initial_prompt="a train",
            turns=tuple(_turn(rng, turn, TASTES[kind]) for turn in range(1, turns + 1)),
        )


def _turn(rng: random.Random, number: int, taste: tuple[str, ...]) -> TurnRecord:
    candidates = tuple(Candidate(one.prompt, one.category) for one in sample_dialogue(rng, turn=1).answer)
    while len({one.category for one in candidates}) < 4:
        candidates = tuple(Candidate(one.prompt, one.category) for one in sample_dialogue(rng, turn=1).answer)
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.category, []).append(index)
    slate = tuple(rng.choice(group) for group in rng.sample(sorted(groups.values()), 4))
    values = tuple(utility(candidates[index].prompt, taste) for index in slate)
    column = max(range(4), key=lambda place: (values[place], rng.random()))
    return TurnRecord(
        number,
        candidates,
        Slate(slate),
        (),
        Choice(column),
        utilities=values,
        reward=2 + 3 * values[column],
    )


def write_paid(path: Path, count: int, seed: int = 0) -> None:
    """A Parquet file of them."""
    write_trajectories(path, trajectories(count, seed))


def write_base(folder: Path, recipe: ValueRecipe = TINY) -> None:
    """A small Gemma that knows nothing yet."""
    torch.manual_seed(0)
    save_value_model(build_value_model(recipe), folder)
