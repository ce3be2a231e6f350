"""Simulated users that are types of a learned user model (App. C.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pasta_core.domain import Choice, History, Image, Turn
from pasta_core.seeds import derive_seed
from pasta_core.simulation.users import Appraiser, Judgement, RewardScale, SimulatedUser, choice_seed

__all__ = ["ModelPopulation", "ModelUser", "cosine_scale"]


def cosine_scale(largest: float) -> RewardScale:
    """Rewards of utilities that are cosines times `largest` (D.4): -largest is 0, largest is 10."""
    return RewardScale(5 / largest, 5.0)


@dataclass(frozen=True)
class ModelPopulation:
    """Users whose types are drawn from the learned prior eta (App. C.1: eta_0 is taken to be eta)."""

    name: str
    appraiser: Appraiser
    scale: RewardScale

    def draw(self, number: int, seed: int) -> SimulatedUser:
        """A user of a type drawn from the prior by the trajectory's seed."""
        prior = self.appraiser.prior
        rng = np.random.default_rng(derive_seed(seed, "user"))
        return ModelUser(self.name, self.appraiser, int(rng.choice(len(prior), p=prior)), seed)


@dataclass(frozen=True)
class ModelUser:
    """One user of one type."""

    population: str
    appraiser: Appraiser
    type: int
    seed: int

    @property
    def spec(self) -> str:
        """The population and the type: `model:PATH:TYPE`."""
        return f"{self.population}:{self.type}"

    def in_session(self, seed: int) -> ModelUser:
        """The same user in the session with this root seed."""
        return replace(self, seed=seed)

    async def judge(self, history: History, turn: Turn) -> Judgement:
        """Draw a column from C_k of Eq. 4."""
        appraisal = await self.appraiser.appraise(history.initial_prompt, turn.columns)
        chances = np.exp(appraisal.log_choices[self.type])
        rng = np.random.default_rng(choice_seed(self.seed, turn.number))
        column = int(rng.choice(len(chances), p=chances / chances.sum()))
        return Judgement(Choice(column), tuple(map(float, appraisal.utilities[self.type])), appraisal)

    async def utilities(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Sequence[float]:
        """R_k of any columns."""
        appraisal = await self.appraiser.appraise(initial_prompt, columns)
        return tuple(map(float, appraisal.utilities[self.type]))
