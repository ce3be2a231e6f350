"""Simulated users: who they are, what they think of a painted turn, and how a population draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pasta_core.domain import Choice, History, Image, Turn
from pasta_core.seeds import derive_seed
from pasta_core.users.appraisal import Appraisal, Table

__all__ = ["Appraiser", "Judgement", "Population", "RewardScale", "SimulatedUser", "choice_seed"]


class Appraiser(Protocol):
    """A user model as a service: what all of its types think."""

    @property
    def prior(self) -> Table:
        """eta (K,), the share of each type."""
        ...

    async def appraise(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Appraisal:
        """Appraise columns of M images each against the initial prompt; any number of columns."""
        ...


@dataclass(frozen=True)
class RewardScale:
    """How a population's utilities become rewards on a scale of 0 to 10: reward = slope * utility + start.

    It is affine and the same for every type, so no order and no relative gap depends on it.
    """

    slope: float
    start: float

    def reward(self, utility: float) -> float:
        """The reward of a utility; not clipped."""
        return self.slope * utility + self.start


@dataclass(frozen=True)
class Judgement:
    """What a simulated user did, and what nobody could ask a person.

    `utilities` (L,) are the user's own; `appraisal` is that of all types, None where a population has no
    types that can be told.
    """

    choice: Choice
    utilities: tuple[float, ...]
    appraisal: Appraisal | None = None


class SimulatedUser(Protocol):
    """One user of one trajectory, its type drawn already; it keeps no state between turns."""

    @property
    def spec(self) -> str:
        """What records call it, such as `model:types/8:3` or `planted:4:31002`."""
        ...

    @property
    def type(self) -> int | None:
        """Its type, from 0; None where the population has no numbered types."""
        ...

    def in_session(self, seed: int) -> SimulatedUser:
        """The same user in another session, whose choices are drawn by its root seed."""
        ...

    async def judge(self, history: History, turn: Turn) -> Judgement:
        """Choose a column of a painted turn by Eq. 4; the same turn always gets the same answer."""
        ...

    async def utilities(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Sequence[float]:
        """The user's own utility (Eq. 3) of any columns, shown or not: what only an oracle may ask."""
        ...


class Population(Protocol):
    """Where users come from."""

    @property
    def name(self) -> str:
        """How it is named on the command line: `model:PATH` or `planted`."""
        ...

    @property
    def scale(self) -> RewardScale: ...

    @property
    def appraiser(self) -> Appraiser | None:
        """The user model whose types its users have, None for planted raters."""
        ...

    def draw(self, number: int, seed: int) -> SimulatedUser:
        """The user of trajectory `number` with root seed `seed`; the same arguments name the same one."""
        ...


def choice_seed(seed: int, turn: int) -> int:
    """The seed of a user's choice in a turn of the trajectory with this root seed."""
    return derive_seed(seed, "turn", turn, "choose")
