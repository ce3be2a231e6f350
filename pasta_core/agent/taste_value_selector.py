"""The selector that hears both: what a person's own picks speak for, and what a value model foresees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from pasta_core.agent.judgement import Judgement
from pasta_core.agent.second_opinion import ValueCalibration, combined
from pasta_core.agent.slates import grouped
from pasta_core.agent.taste_learner import TasteLearner
from pasta_core.agent.taste_selector import EXPLORATION, TasteSelector
from pasta_core.agent.valuer import Valuer, asked
from pasta_core.domain import Candidate, CandidateForm, History

__all__ = ["TasteValueSelector"]


class TasteValueSelector(TasteSelector):
    """The slate of the highest utility after taste and value model were both heard, one of each category.

    `agent.second_opinion` derives how. Each category is judged by a taste of its own, drawn from the combined
    posterior at `exploration` times its distance from the mean. The slate's values are expected utilities, in
    nats of Eq. 4's choice.
    """

    name = "taste+value"

    def __init__(
        self,
        form: CandidateForm,
        learner: TasteLearner,
        valuer: Valuer,
        calibration: ValueCalibration,
        exploration: float = EXPLORATION,
    ) -> None:
        super().__init__(form, learner, exploration)
        self._valuer = valuer
        self._calibration = calibration

    async def judge(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Judgement:
        """Expected and drawn utilities of the candidates, and the value model's own values."""
        opinion, told = await asyncio.gather(
            self._learner.opinion(history, candidates), asked(self._valuer, history, candidates)
        )
        values = np.asarray(told, np.float64)
        both = combined(opinion.belief, opinion.means, opinion.worth, values, self._calibration)
        drawn = both.means.copy()
        if self._exploration:
            noise = np.random.default_rng(seed)
            for group in grouped(candidates, self._form, columns):
                taste = opinion.belief.draw(noise, self._exploration)
                apart = opinion.means @ (taste - opinion.belief.mean)
                drawn[group] = both.drawn(apart)[group]
        return Judgement(both.means, both.deviations, drawn, values, opinion.picks)
