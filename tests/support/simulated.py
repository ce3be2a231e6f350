"""A small crew for tests of the simulation engine: services that are pure functions, users with two types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pasta_core.domain import Image
from pasta_core.settings import SessionSettings
from pasta_core.simulation.engine import Crew
from pasta_core.simulation.model_users import ModelPopulation, cosine_scale
from pasta_core.users.appraisal import Appraisal, Table
from tests.support.rollouts import NoisePainter, WordWriter

SMALL = SessionSettings(turns=2, columns=3, images=2)


@dataclass(frozen=True)
class ColourTypes:
    """K types, each of which likes one channel of a picture, the more so the sharper."""

    weights: Table = field(default_factory=lambda: np.eye(2, 3))
    sharpness: float = 40.0

    @property
    def prior(self) -> Table:
        return np.full(len(self.weights), 1 / len(self.weights))

    async def appraise(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Appraisal:
        means = np.array([np.mean([i.pixels.mean((0, 1)) for i in column], axis=0) for column in columns])
        utilities = self.sharpness * (self.weights @ means.T) / 255
        logits = utilities - utilities.max(-1, keepdims=True)
        return Appraisal(utilities, logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def small_crew(at_once: int = 8, settings: SessionSettings = SMALL) -> Crew:
    """A crew of small services."""
    population = ModelPopulation("model:colours", ColourTypes(), cosine_scale(40.0))
    return Crew(WordWriter(), NoisePainter(), population, settings, at_once)
