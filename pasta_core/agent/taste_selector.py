"""The selector that shows what a person's own picks speak for."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from pasta_core.agent.judgement import Judgement
from pasta_core.agent.slates import best_slate, grouped, shuffled
from pasta_core.agent.taste_learner import TasteLearner
from pasta_core.domain import Candidate, CandidateForm, History, Slate

__all__ = ["EXPLORATION", "MOST_EXPLORATION", "TasteSelector"]

EXPLORATION = 0.25
"""How far drawn tastes lie from the expected one, by default (docs/taste.md says how it was found)."""
MOST_EXPLORATION = 10.0


class TasteSelector:
    """The slate of the highest utility under drawn tastes, at most one prompt per category.

    Each category's prompt, and its place among the categories, is judged by a taste of its own, drawn from
    the belief: with `exploration` 1 by Thompson's sampling, with 0 by the expected utility, in between at
    that share of the distance. The slate's values are expected utilities, in nats of Eq. 4's choice.
    """

    name = "taste"

    def __init__(self, form: CandidateForm, learner: TasteLearner, exploration: float = EXPLORATION) -> None:
        self._form = form
        self._learner = learner
        self._exploration = exploration

    def form(self, columns: int) -> CandidateForm:
        """The full candidate set."""
        return self._form

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Judge the candidates and show the best slate; `PastaError` where it cannot be filled."""
        rng = random.Random(seed)
        groups = grouped(candidates, self._form, columns)
        judged = await self.judge(history, candidates, columns, seed)
        drawn = judged.expected if judged.drawn is None else judged.drawn
        # equal prompts are worth the same wherever they stand: ties must not fall by rounding
        slate = best_slate([round(float(value), 12) for value in drawn], groups, columns, rng)
        return shuffled(slate, [float(value) for value in judged.expected], rng)

    async def judge(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Judgement:
        """Expected and drawn utilities of the candidates."""
        opinion = await self._learner.opinion(history, candidates)
        drawn = opinion.worth.means.copy()
        if self._exploration:
            noise = np.random.default_rng(seed)
            for group in grouped(candidates, self._form, columns):
                taste = opinion.belief.draw(noise, self._exploration)
                drawn[group] = opinion.means[group] @ taste
        return Judgement(opinion.worth.means, opinion.worth.deviations, drawn, picks=opinion.picks)
