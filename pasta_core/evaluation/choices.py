"""How well a model foresees what people do in sessions: their choices, and what they say of the turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pasta_core.domain import Comparison
from pasta_core.evaluation.metric import Metric, clustered_mean
from pasta_core.evaluation.pairs import TIE_WIDTH
from pasta_core.evaluation.preferences import Array, PreferenceModel, ScoredSession, ScoredTurn
from pasta_core.users.posterior import Belief, observe, prior_belief, probabilities

__all__ = ["SessionMetrics", "session_metrics"]


@dataclass(frozen=True)
class SessionMetrics:
    """The three metrics of sessions (Eq. 4, D.3)."""

    choice_accuracy: Metric
    choice_nll: Metric
    cross_turn_accuracy: Metric


@dataclass
class _Judgements:
    values: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    raters: list[str] = field(default_factory=list)

    def add(self, value: float, chance: float, rater: str) -> None:
        self.values.append(value)
        self.chances.append(chance)
        self.raters.append(rater)

    def metric(self, seed: int) -> Metric:
        return clustered_mean(self.values, self.raters, self.chances, seed)


def session_metrics(
    sessions: Sequence[ScoredSession], model: PreferenceModel, seed: int = 0
) -> SessionMetrics:
    """Foresee every choice from the choices before it, of the same rater in all their sessions so far.

    The posterior starts at the prior and takes in each choice after it was foreseen; nothing later is known.
    A choice is foreseen where the chosen column is the likeliest, or for 1/n where it is one of n that are;
    its loss is -log of the mixture's probability. `cross_turn_accuracy` asks whether the column selected in a
    turn is better than that of the turn before, with the posterior of the choices up to then: right
    where the mixture's p - (1 - p) has the sign of the answer, for "same" where it is below 0.1, as in §6.2.
    Chance guesses columns uniformly, and signs with small differences.
    """
    accuracy, loss, crossing = _Judgements(), _Judgements(), _Judgements()
    beliefs: dict[str, Belief] = {}
    for session in sessions:
        belief = beliefs.get(session.rater, prior_belief(model.prior))
        before: tuple[int, Array] | None = None
        for turn in session.turns:
            utilities = _utilities(turn, model)
            choices = model.log_choices(utilities)
            mixed = np.logaddexp.reduce(belief[:, None] + choices)
            best = np.flatnonzero(mixed == mixed.max())
            share = 1 / len(utilities[0])
            accuracy.add(float(turn.choice in best) / len(best), share, session.rater)
            loss.add(-float(mixed[turn.choice]), -float(np.log(share)), session.rater)
            belief = observe(belief, choices[:, turn.choice])
            chosen = utilities[:, turn.choice if turn.selected is None else turn.selected]
            if before is not None and before[0] == turn.number - 1 and turn.comparison is not None:
                difference = float(np.tanh((chosen - before[1]) / 2) @ probabilities(belief))
                same = turn.comparison is Comparison.SAME
                crossing.add(_crosses(difference, turn.comparison), 1.0 if same else 0.5, session.rater)
            before = turn.number, chosen
        beliefs[session.rater] = belief
    return SessionMetrics(accuracy.metric(seed), loss.metric(seed), crossing.metric(seed))


def _utilities(turn: ScoredTurn, model: PreferenceModel) -> Array:
    """R_theta (K, L) of a turn's columns, whose numbers of images may differ."""
    return np.stack([model.utilities(column.T) for column in turn.columns], axis=-1)


def _crosses(difference: float, said: Comparison) -> float:
    match said:
        case Comparison.BETTER:
            return float(difference > 0)
        case Comparison.WORSE:
            return float(difference < 0)
        case Comparison.SAME:
            return float(abs(difference) < TIE_WIDTH)
