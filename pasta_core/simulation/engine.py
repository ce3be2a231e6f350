"""Many rollouts at once: cases go in, trajectory records come out, the same whatever runs beside what.

`simulate` is the whole of it. Every case has its own seed, and everything in its trajectory is drawn from it,
so selectors that are run on the same cases are paired: same users, same prompts, same noise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import Choice, History, Painter, Selector, Turn, Writer
from pasta_core.seeds import derive_seed
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder
from pasta_core.simulation.records import Details, trajectory_record
from pasta_core.simulation.rollout import Plan, Services, rollout
from pasta_core.simulation.users import Judgement, Population, SimulatedUser

__all__ = ["Case", "Crew", "Played", "PromptFor", "SelectorFor", "cases", "play", "prompt_of", "simulate"]


@dataclass(frozen=True)
class Case:
    """One trajectory to be: its number, its root seed, its initial prompt and its user."""

    number: int
    seed: int
    prompt: str
    user: SimulatedUser


SelectorFor = Callable[[Case], Selector]
"""Makes the selector of one case; most are the same for all, the oracle asks its user."""


@dataclass(frozen=True)
class Crew:
    """What all trajectories share: the services, which micro-batch whatever waits for them, and the users.

    `at_once` trajectories run side by side; how many has no influence on any of them.
    """

    writer: Writer
    painter: Painter
    population: Population
    settings: SessionSettings
    at_once: int = 8


PromptFor = Callable[[int], str]
"""The initial prompt of the trajectory with this root seed: nu(p_0) of App. C.1."""


def cases(population: Population, prompt: PromptFor, seed: int, numbers: Iterable[int]) -> Iterator[Case]:
    """The cases with these numbers: nu(p_0, u) = nu(p_0) eta(u) of App. C.1, each from its own seed.

    A case depends on the population, the prompts, the seed and its number, not on how many there are.
    """
    for number in numbers:
        own = derive_seed(seed, "trajectory", number)
        yield Case(number, own, prompt(own), population.draw(number, own))


def prompt_of(prompts: Sequence[str]) -> PromptFor:
    """Prompts that are drawn uniformly from these."""
    return lambda seed: prompts[derive_seed(seed, "initial prompt") % len(prompts)]


async def simulate(
    wanted: Iterable[Case], selector: SelectorFor, crew: Crew, details: Details | None = None
) -> AsyncGenerator[TrajectoryRecord, None]:
    """Run one trajectory for every case and yield their records in the cases' order.

    At most `crew.at_once` run at a time; cases are taken as there is room for them. The same cases give the
    same records. What a model raises ends them all. Close it (`contextlib.aclosing`) to stop early.
    """
    details = details or Details()
    left = iter(wanted)
    begun: deque[asyncio.Task[TrajectoryRecord]] = deque()
    try:
        while True:
            room = crew.at_once - sum(not task.done() for task in begun)
            for case in islice(left, room):
                work = _trajectory(case, selector(case), crew, details)
                begun.append(asyncio.create_task(work, name=f"trajectory {case.number}"))
            if not begun:
                return
            if begun[0].done():
                yield begun.popleft().result()
                continue
            running = [task for task in begun if not task.done()]
            finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


class _Heard:
    """The user of a rollout, who remembers what it thought."""

    def __init__(self, user: SimulatedUser) -> None:
        self._user = user
        self.judgements: dict[int, Judgement] = {}

    async def choose(self, history: History, turn: Turn) -> Choice:
        judgement = await self._user.judge(history, turn)
        self.judgements[turn.number] = judgement
        return judgement.choice


@dataclass(frozen=True)
class Played:
    """A case that was run to its end: what it was decided by, what happened, and what its user thought."""

    plan: Plan
    history: History
    judgements: tuple[Judgement, ...]
    """One a turn."""


async def play(case: Case, selector: Selector, crew: Crew) -> Played:
    """Run one case; raises what a model raises."""
    user = _Heard(case.user)
    plan = Plan(f"trajectory {case.number}", case.prompt, case.seed, crew.settings)
    services = Services(crew.writer, selector, crew.painter, user)
    history = await rollout(plan, services, MemoryRecorder(), lambda event: None)
    return Played(plan, history, tuple(user.judgements[turn.number] for turn in history.turns))


async def _trajectory(case: Case, selector: Selector, crew: Crew, details: Details) -> TrajectoryRecord:
    made = await play(case, selector, crew)
    return trajectory_record(
        f"{case.number:08d}",
        made.plan,
        made.history,
        selector.name,
        case.user,
        made.judgements,
        crew.population,
        details,
    )
