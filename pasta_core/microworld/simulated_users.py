"""Planted raters as the users of simulations, behind the protocol of the learned ones; and their prompts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from pasta_core.domain import Choice, History, Image, Pixels, Turn
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.grammar import held_out_scenes, sample_scene
from pasta_core.microworld.raters import PlantedRater, RaterSheet
from pasta_core.microworld.ratings.answers import LOWEST_RATING, RATING_STEP
from pasta_core.microworld.ratings.population import FIRST_INDIVIDUAL
from pasta_core.seeds import derive_seed
from pasta_core.simulation.users import Judgement, RewardScale, SimulatedUser, choice_seed

__all__ = ["PlantedPopulation", "grammar_prompt"]

UNSEEN = "unseen"
"""The population of the archetypes that are kept out of all training."""

INDIVIDUALS = 5_000
"""How many different individuals an archetype has in a split."""

SAID = 0.5
"""Chance that an initial prompt says an attribute of the scene it means."""


def grammar_prompt(split: str, max_words: int, seed: int) -> str:
    """An initial prompt that names a subject; outside the `train` split it describes a held-out scene."""
    rng = random.Random(derive_seed(seed, "initial prompt"))
    scene = sample_scene(rng) if split == "train" else rng.choice(held_out_scenes())
    said = sample_mention(rng, scene, SAID)
    return caption(replace(said, subject=scene.subject), rng, max_words=max_words)


@dataclass(frozen=True)
class PlantedPopulation:
    """Individuals of the planted archetypes, each archetype equally likely.

    `kind` is a split, whose individuals no other split meets, or `UNSEEN`.
    """

    kind: str
    sheet: RaterSheet
    eyes: Eyes
    thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "eyes", torch.set_num_threads, (1,)), compare=False
    )
    appraiser = None

    @classmethod
    def load(cls, kind: str, assets: Path) -> PlantedPopulation:
        """Load the raters' file and the eyes; raises `ModelUnavailable`."""
        return cls(kind, RaterSheet.load(assets), Eyes.load(assets / "micro" / "eyes"))

    @property
    def name(self) -> str:
        return f"planted:{self.kind}"

    @property
    def scale(self) -> RewardScale:
        """The raters' own scale of 1 to 10, without its steps (`ratings.answers`)."""
        return RewardScale(1 / RATING_STEP, 1.5 - LOWEST_RATING / RATING_STEP)

    def draw(self, number: int, seed: int) -> SimulatedUser:
        """An individual of an archetype, both drawn by the trajectory's seed."""
        rng = random.Random(derive_seed(seed, "user"))
        kinds = [
            archetype for archetype in self.sheet.archetypes if archetype.unseen == (self.kind == UNSEEN)
        ]
        archetype = rng.choice(kinds)
        first = FIRST_INDIVIDUAL["test" if self.kind == UNSEEN else self.kind]
        rater = PlantedRater(self.sheet, archetype, first + rng.randrange(INDIVIDUALS), self.eyes)
        return PlantedUser(rater, self.sheet.archetypes.index(archetype), seed, self.thread)


@dataclass(frozen=True)
class PlantedUser:
    """One individual; its type is the number of its archetype in the raters' file."""

    rater: PlantedRater
    type: int
    seed: int
    thread: ThreadPoolExecutor

    @property
    def spec(self) -> str:
        """`planted:ARCHETYPE:INDIVIDUAL`, as `pasta session --rater` takes it."""
        return f"planted:{self.rater.archetype.name}:{self.rater.individual}"

    def in_session(self, seed: int) -> PlantedUser:
        """The same user in the session with this root seed."""
        return replace(self, seed=seed)

    async def judge(self, history: History, turn: Turn) -> Judgement:
        """Choose by the true utilities, with lapses and a leaning to places."""
        seed = choice_seed(self.seed, turn.number)
        look = partial(self.rater.choose, history.initial_prompt, _pixels(turn.columns), seed)
        verdict = await asyncio.get_running_loop().run_in_executor(self.thread, look)
        return Judgement(Choice(verdict.column), verdict.utilities)

    async def utilities(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Sequence[float]:
        """The true utility of any columns."""
        look = partial(self.rater.column_utilities, initial_prompt, _pixels(columns))
        found = await asyncio.get_running_loop().run_in_executor(self.thread, look)
        return tuple(map(float, found))


def _pixels(columns: Sequence[Sequence[Image]]) -> list[list[Pixels]]:
    return [[image.pixels for image in column] for column in columns]
