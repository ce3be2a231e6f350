"""How large a reproduction is: everything that decides what its steps do, apart from the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from pasta_core.errors import InvalidInput
from pasta_core.microworld.recipes.user_model_recipe import UserModelRecipe
from pasta_core.microworld.recipes.value_model_recipe import ValueModelRecipe
from pasta_core.settings import SessionSettings
from pasta_core.training.value_presets import Objective, Reward, ValueModelConfig, value_preset
from pasta_core.training.value_run import ValueTask

__all__ = ["ENOUGH", "FULL", "QUICK", "SOURCES", "RatingsOrder", "Scale", "ValueArm"]

SOURCES = ("human", "simulated", "mixed")
"""What a value model learns from (§6.3)."""

ENOUGH = 300
"""Paired trajectories from which a number is more than a first look."""


@dataclass(frozen=True)
class RatingsOrder:
    """A data set of planted ratings; `images` of its training pool, None for as many as are needed."""

    format: str
    raters: int
    test_raters: int
    labels: int
    images: int | None = None


@dataclass(frozen=True)
class ValueArm:
    """One value model: what it learns from, what it is measured by, how, and from which training seed."""

    source: str
    reward: Reward
    """What it is measured by; and what pays in training, unless a recipe says otherwise."""
    number: int = 1
    """Which of the training seeds, from 1."""
    recipe: ValueModelRecipe | None = None
    """The shipped model's way to learn; None is the paper's."""

    @property
    def name(self) -> str:
        """How tables and folders call it."""
        method = "" if self.recipe is None else f" by {self.recipe.objective}"
        return f"{self.source}{method}" + (f", seed {self.number}" if self.number > 1 else "")

    @property
    def step(self) -> str:
        """The name of the step that trains it, by what it is trained with."""
        paid = self.reward if self.recipe is None else f"{self.recipe.reward}-{self.recipe.objective}"
        return f"value-{self.source}-{paid}" + (f"-{self.number}" if self.number > 1 else "")

    def task(self, paper: ValueModelConfig) -> ValueTask:
        """Its training, where the paper's way has this config."""
        return ValueTask(paper, Objective.IQL, self.reward) if self.recipe is None else self.recipe.task


@dataclass(frozen=True)
class Scale:
    """The sizes of every step."""

    name: str
    types: tuple[int, ...]
    """Numbers of user types of the sweep (Fig. 3)."""
    chosen: int
    """The number that everything after the sweep uses (§6.2 chooses 8)."""
    ratings: tuple[RatingsOrder, ...]
    user_model_steps: int
    tuning_sessions: int
    """People's sessions that teach the chosen user model choices (D.3); their pictures are kept."""
    tuning_steps: int
    simulated: int
    """Trajectories under the learned user model (§4.2)."""
    simulated_images: int | None
    """A column's in these, None for the session's: they differ little in worth, and painting costs most."""
    people: int
    """Sessions of planted raters who play the humans (§4.1)."""
    value: Mapping[str, Any]
    """What differs from the `micro` preset of value training."""
    training_seeds: int
    beside: tuple[tuple[str, ValueModelRecipe], ...]
    """Sources that the shipped model's recipe learns from, too; measured by the last turn."""
    trajectories: int
    """Paired trajectories of every evaluation."""
    oracle: bool
    """Whether evaluations name the gap to the oracle, which paints six times as much."""
    ideas: tuple[str, ...]
    """Abstract prompts of Fig. 6, as "an image of ..."."""
    types_shown: int
    """User types of Fig. 6."""
    shard: int = 8
    """Trajectories that are kept at a time: what a kill can cost, about."""
    session: SessionSettings | None = None
    """The shape of every session; None is the profile's own."""
    data_sources: tuple[str, ...] = SOURCES
    """What value models learn from; the last one paints Fig. 6."""
    whole: bool = True
    """Whether trainings are as long as they should be; cut short, they support no claim."""

    def __post_init__(self) -> None:
        if self.chosen not in self.types:
            raise InvalidInput(f"{self.chosen} types are not trained", "name a number of the sweep")
        for name, least in (("trajectories", 2), ("training_seeds", 1), ("types_shown", 2)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name} is {getattr(self, name)}", f"choose {least} or more")

    @property
    def claims(self) -> bool:
        """Whether its numbers are more than a first look: whole trainings and enough trajectories."""
        return self.whole and self.trajectories >= ENOUGH

    @property
    def arms(self) -> tuple[ValueArm, ...]:
        """All value models, those of the first training seed first."""
        return tuple(
            ValueArm(source, reward, number, recipe)
            for number in range(1, self.training_seeds + 1)
            for reward in Reward
            for source, recipe in (
                *((source, None) for source in self.data_sources),
                *(self.beside if reward is Reward.SPARSE else ()),
            )
        )

    @property
    def value_config(self) -> ValueModelConfig:
        """How value models learn."""
        return replace(value_preset("micro"), **self.value)

    def settings(self) -> dict[str, Any]:
        """All of it as JSON types."""
        parts = {
            "ratings": [asdict(order) for order in self.ratings],
            "value": dict(self.value),
            "beside": [[source, asdict(recipe)] for source, recipe in self.beside],
            "session": None if self.session is None else asdict(self.session),
        }
        return {one.name: parts.get(one.name, getattr(self, one.name)) for one in fields(self)}


FULL = Scale(
    name="full",
    types=(1, 2, 4, 8, 16, 32),
    chosen=8,
    ratings=(
        RatingsOrder("pickapic", raters=8000, test_raters=160, labels=100, images=14_000),
        RatingsOrder("hpd", raters=400, test_raters=40, labels=24),
        RatingsOrder("sac", raters=200, test_raters=40, labels=25),
    ),
    user_model_steps=UserModelRecipe().steps,
    tuning_sessions=120,
    tuning_steps=30,
    simulated=2048,
    simulated_images=1,
    people=400,
    value=MappingProxyType({}),
    training_seeds=3,
    beside=(("simulated", ValueModelRecipe()),),
    trajectories=ENOUGH,
    oracle=True,
    ideas=("happiness", "love", "hope"),
    types_shown=4,
)
"""Many hours of two cores."""

QUICK = Scale(
    name="quick",
    types=(1, 8),
    chosen=8,
    ratings=(
        RatingsOrder("pickapic", raters=32, test_raters=8, labels=16),
        RatingsOrder("hpd", raters=24, test_raters=8, labels=12),
    ),
    user_model_steps=30,
    tuning_sessions=16,
    tuning_steps=4,
    simulated=32,
    simulated_images=None,
    people=16,
    value=MappingProxyType({"steps": 10, "batch": 12, "warm_up": 2, "target_every": 4, "report_every": 10}),
    training_seeds=1,
    beside=(),
    trajectories=40,
    oracle=False,
    ideas=("happiness",),
    types_shown=3,
    session=SessionSettings(turns=2, images=1),
    whole=False,
)
"""Minutes of two cores: every step once, on shorter sessions, and too little of anything for a claim."""
