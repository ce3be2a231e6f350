"""Selectors that paint every candidate before they choose: `greedy-belief`, and the `oracle` of all bars.

Both see what the candidates come out as in noise of their own, never in the noise that is shown, and take the
best one-per-category slate by expected utility. They are strong and dear: L_C x M images more a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pasta_core.agent.selectors import ValueSelector
from pasta_core.domain import Candidate, History, Image, Painter
from pasta_core.seeds import derive_seed
from pasta_core.simulation.users import Appraiser, SimulatedUser
from pasta_core.users.posterior import Belief, observe, prior_belief, probabilities

__all__ = [
    "BelievedUtility",
    "GreedyBeliefSelector",
    "OracleSelector",
    "OwnUtility",
    "PreviewValuer",
    "belief_of",
]


class Expected(Protocol):
    """What columns of images are thought to be worth to the user of a history."""

    async def utilities(self, history: History, columns: Sequence[Sequence[Image]]) -> Sequence[float]: ...


class BelievedUtility:
    """The utility that is expected under the posterior over user types, given the choices so far."""

    def __init__(self, appraiser: Appraiser) -> None:
        self._appraiser = appraiser

    async def utilities(self, history: History, columns: Sequence[Sequence[Image]]) -> Sequence[float]:
        """sum_k gamma_k R_k of every column."""
        belief = probabilities(await belief_of(history, self._appraiser))
        appraisal = await self._appraiser.appraise(history.initial_prompt, columns)
        return tuple(map(float, belief @ appraisal.utilities))


class OwnUtility:
    """The utility of the very user of the trajectory: what no agent can know, the upper end of gap_closed."""

    def __init__(self, user: SimulatedUser) -> None:
        self._user = user

    async def utilities(self, history: History, columns: Sequence[Sequence[Image]]) -> Sequence[float]:
        """R of every column for the user."""
        return await self._user.utilities(history.initial_prompt, columns)


class PreviewValuer:
    """Values candidates by painting `images` of each (`agent.selectors.Valuer`).

    `seed` is the root seed of the trajectory; the noise is another than that of any shown image.
    """

    def __init__(self, painter: Painter, images: int, seed: int, expected: Expected) -> None:
        self._painter = painter
        self._images = images
        self._seed = seed
        self._expected = expected

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Paint them all and say what each is expected to be worth."""
        turn, images = len(history.turns) + 1, range(self._images)
        seeds = [
            [derive_seed(self._seed, "turn", turn, "preview", column, index) for index in images]
            for column in range(len(candidates))
        ]
        prompts = [candidate.prompt for candidate in candidates]
        found: dict[tuple[int, int], Image] = {}
        async for painted in self._painter.paint(prompts, seeds, lambda done, total: None):
            found[painted.column, painted.index] = painted.image
        columns = [[found[column, index] for index in images] for column in range(len(candidates))]
        return await self._expected.utilities(history, columns)


class GreedyBeliefSelector(ValueSelector):
    """The best slate by the utility that is expected now: no planning, but it has seen the pictures."""

    name = "greedy-belief"


class OracleSelector(ValueSelector):
    """The best slate by the user's own expected utility (DESIGN's `oracle`)."""

    name = "oracle"


async def belief_of(history: History, appraiser: Appraiser) -> Belief:
    """What the choices of a history say about its user's type, as log probabilities (K,)."""
    belief = prior_belief(appraiser.prior)
    for turn in history.turns:
        if turn.choice is not None:
            appraisal = await appraiser.appraise(history.initial_prompt, turn.columns)
            belief = observe(belief, appraisal.log_choices[:, turn.choice.column])
    return belief
