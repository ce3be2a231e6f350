"""Many rollouts at once: what a record holds, that company and order change nothing, and paired selectors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pasta_core.agent.selectors import RandomSelector
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import CandidateForm, PaintedImage, Progress
from pasta_core.errors import PastaError
from pasta_core.seeds import derive_seed
from pasta_core.simulation.engine import Case, Crew, SelectorFor, cases, prompt_of, simulate
from pasta_core.simulation.model_users import ModelPopulation, cosine_scale
from pasta_core.simulation.previews import (
    BelievedUtility,
    GreedyBeliefSelector,
    OracleSelector,
    OwnUtility,
    PreviewValuer,
)
from pasta_core.simulation.records import Details
from pasta_core.users.appraisal import Table
from tests.support.rollouts import NoisePainter
from tests.support.simulated import ColourTypes, small_crew

PROMPTS = prompt_of(("a red train", "a blue cat at night", "a house"))
RANDOM = RandomSelector(CandidateForm())


def run(
    numbers: Sequence[int], crew: Crew, selector: SelectorFor = lambda case: RANDOM, **details: bool
) -> list[TrajectoryRecord]:
    async def all_of() -> list[TrajectoryRecord]:
        wanted = cases(crew.population, PROMPTS, 5, numbers)
        return [record async for record in simulate(wanted, selector, crew, Details("small", **details))]

    return asyncio.run(all_of())


def test_a_record_holds_everything_that_is_known() -> None:
    [record] = run([3], small_crew())
    assert record.id == "00000003" and record.source == "simulate" and record.complete
    assert record.seed == derive_seed(5, "trajectory", 3)
    assert record.user == f"model:colours:{record.user_type}"
    assert len(record.initial_images) == 2 and record.initial_images[0].png is None
    for turn in record.turns:
        assert len(turn.candidates) == 25 and len(turn.slate.indices) == 3
        assert len({turn.candidates[index].category for index in turn.slate.indices}) == 3
        assert turn.type_utilities is not None and turn.utilities is not None
        assert turn.utilities == turn.type_utilities[record.user_type]
        assert turn.reward == pytest.approx(5 + 5 * turn.utilities[turn.choice.column] / 40)
        assert turn.write_seed == derive_seed(record.seed, "turn", turn.number, "write")


def test_the_posterior_is_the_prior_times_the_choices() -> None:
    [record] = run([0], small_crew())
    belief = np.full(2, 0.5)
    for turn in record.turns:
        utilities = np.array(turn.type_utilities)
        chances = np.exp(utilities) / np.exp(utilities).sum(-1, keepdims=True)
        belief = belief * chances[:, turn.choice.column]
        belief /= belief.sum()
        assert turn.posterior == pytest.approx(tuple(belief))


def test_company_changes_nothing() -> None:
    together = run(range(9), small_crew(at_once=4))
    assert [record.id for record in together] == [f"{number:08d}" for number in range(9)]
    alone = [run([number], small_crew(at_once=1))[0] for number in (7, 2)]
    assert alone == [together[7], together[2]]


def test_types_come_from_the_prior() -> None:
    crew = small_crew()
    types = [case.user.type for case in cases(crew.population, PROMPTS, 1, range(400))]
    assert 150 < sum(kind == 0 for kind in types) < 250


def test_prompts_are_drawn_uniformly_and_whatever_the_type() -> None:
    class Uneven(ColourTypes):
        @property
        def prior(self) -> Table:
            return np.array([0.7, 0.3])

    names, draws = tuple("abcde"), 4000
    population = ModelPopulation("model:uneven", Uneven(), cosine_scale(40.0))
    drawn = cases(population, prompt_of(names), 3, range(draws))
    counts = Counter((case.prompt, case.user.type) for case in drawn)
    # nu(p_0, u) = nu(p_0) eta(u) of App. C.1
    expected = {(name, kind): draws * share / 5 for name in names for kind, share in enumerate((0.7, 0.3))}
    # chi-square with 9 degrees of freedom: its mean is 9, its deviation 4.2
    assert sum((counts[cell] - count) ** 2 / count for cell, count in expected.items()) < 9 + 5 * 4.2


def test_images_and_embeddings_only_where_asked_for() -> None:
    [record] = run([0], small_crew(), images=True, embeddings=True)
    image = record.turns[0].columns[0][0]
    assert image.png is not None and image.embedding is not None


def oracle(case: Case, crew: Crew) -> OracleSelector:
    return OracleSelector(CandidateForm(), PreviewValuer(crew.painter, 2, case.seed, OwnUtility(case.user)))


def test_selectors_see_the_same_users_and_the_oracle_beats_chance() -> None:
    crew = small_crew()
    drawn, best = run(range(30), crew), run(range(30), crew, lambda case: oracle(case, crew))
    for one, other in zip(drawn, best, strict=True):
        assert (one.user, one.initial_prompt, one.seed) == (other.user, other.initial_prompt, other.seed)
        assert one.initial_images == other.initial_images
        assert one.turns[0].candidates == other.turns[0].candidates
    assert best[0].selector == "oracle"


def test_the_oracle_looks_at_other_noise_than_is_shown() -> None:
    crew = small_crew()
    assert isinstance(crew.painter, NoisePainter)
    [record] = run([0], crew, lambda case: oracle(case, crew))
    shown = {image.seed for turn in record.turns for column in turn.columns for image in column}
    previews = [seeds for prompts, seeds in crew.painter.asked if len(prompts) == 25]
    assert len(previews) == 2
    assert not shown & {seed for seeds in previews for row in seeds for seed in row}


def test_greedy_belief_takes_the_best_by_the_posterior() -> None:
    crew = small_crew()
    types = ColourTypes()

    def greedy(case: Case) -> GreedyBeliefSelector:
        valuer = PreviewValuer(crew.painter, 2, case.seed, BelievedUtility(types))
        return GreedyBeliefSelector(CandidateForm(), valuer)

    [record] = run([0], crew, greedy)
    values = record.turns[0].slate.values
    assert values is not None and len(values) == 3
    assert record.selector == "greedy-belief"


class BrokenPainter(NoisePainter):
    """Fails for good after a few pictures."""

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        if len(self.asked) > 4:
            raise PastaError("no more paint")
        async for painted in super().paint(prompts, seeds, progress):
            yield painted


def test_what_a_model_raises_ends_the_run() -> None:
    with pytest.raises(PastaError, match="no more paint"):
        run(range(5), replace(small_crew(), painter=BrokenPainter()))
