"""First turns that are written once for all selectors: the same records for less writing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pasta_core.agent.selectors import RandomSelector, make_selector
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import CandidateForm, History, Selector
from pasta_core.simulation.drafts import SharedFirstDrafts
from pasta_core.simulation.engine import Crew, cases, prompt_of, simulate
from pasta_core.simulation.records import Details
from tests.support.rollouts import WordWriter, paint_one
from tests.support.simulated import small_crew

PROMPTS = prompt_of(("a red train", "a blue cat at night"))


class Stubborn:
    """Shows the same places whatever the seed."""

    name = "stubborn"

    def __init__(self) -> None:
        self._random = RandomSelector(CandidateForm())

    def form(self, columns: int) -> CandidateForm:
        return self._random.form(columns)

    async def select(self, history, candidates, columns, seed):  # type: ignore[no-untyped-def]
        return await self._random.select(history, candidates, columns, 0)


def run(crew: Crew, selector: Selector) -> list[TrajectoryRecord]:
    async def all_of() -> list[TrajectoryRecord]:
        wanted = cases(crew.population, PROMPTS, 5, range(4))
        return [record async for record in simulate(wanted, lambda case: selector, crew, Details())]

    return asyncio.run(all_of())


def test_selectors_share_first_turns_and_nothing_of_the_records_changes() -> None:
    plain, shared = WordWriter(), WordWriter()
    crews = [
        replace(small_crew(), writer=plain),
        replace(small_crew(), writer=SharedFirstDrafts(shared)),
    ]
    selectors = [RandomSelector(CandidateForm()), Stubborn(), make_selector("writer", CandidateForm())]
    expected, found = ([run(crew, selector) for selector in selectors] for crew in crews)
    assert found == expected
    assert expected[0] != expected[1]
    # 4 trajectories of 2 turns; the two that are asked for the same form share 4 first turns
    assert len(plain.asked) == 24
    assert len(shared.asked) == 20


def test_those_who_ask_at_the_same_time_wait_for_one_and_outlive_it() -> None:
    class Slow(WordWriter):
        async def write(self, *asked):  # type: ignore[no-untyped-def]
            await asyncio.sleep(0.01)
            return await super().write(*asked)

    history = History("a red train", (paint_one("a red train", 1),))
    ask = (history, CandidateForm(), 14, 3, lambda done, total: None)

    async def asked_thrice(writer: WordWriter) -> list[object]:
        shared = SharedFirstDrafts(writer)
        first, second, third = (asyncio.create_task(shared.write(*ask)) for _ in range(3))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(first, second, third, return_exceptions=True)

    slow = Slow()
    gone, second, third = asyncio.run(asked_thrice(slow))
    assert isinstance(gone, asyncio.CancelledError)
    assert second is third and len(slow.asked) == 1
