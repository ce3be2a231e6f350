"""Why a slate shows what it shows: to please, to learn, or neither."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.agent.judgement import Judge, Judgement
from pasta_core.agent.selectors import RandomSelector
from pasta_core.agent.slate_reasons import Intent, SlateReasons, reasons_for
from pasta_core.agent.slates import best_slate
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner
from pasta_core.agent.taste_selector import TasteSelector
from pasta_core.domain import Candidate, CandidateForm, Slate
from pasta_core.users.taste_fit import fit_space
from pasta_tui.insight_words import because
from tests.support.tastes import World, embed_texts

CANDIDATES = tuple(Candidate(f"prompt {n}", f"kind {n // 2}") for n in range(6))
GROUPS = ((0, 1), (2, 3), (4, 5))


def reasons(
    expected: Sequence[float], shown: Sequence[int], drawn: Sequence[float] | None = None, **other: object
) -> SlateReasons:
    judged = Judgement(
        np.array(expected), np.full(6, 0.5), None if drawn is None else np.array(drawn), picks=3
    )
    values = tuple(expected[index] for index in shown)
    return reasons_for(1, "taste:1", judged, CANDIDATES, Slate(tuple(shown), values), GROUPS, **other)  # type: ignore[arg-type]


def test_the_slate_of_the_greatest_sum_is_shown_to_please() -> None:
    found = reasons([5, 1, 4, 2, 3, 0], [0, 2])
    assert [it.intent for it in found.columns] == [Intent.PLEASE] * 2
    assert [it.rank for it in found.columns] == [1, 2]
    assert found.columns[0].behind == 0 and found.columns[0].instead is None
    assert (found.picks, found.candidates, found.current) == (3, 6, True)


def test_what_exploring_put_before_the_best_of_its_category_is_shown_to_learn() -> None:
    found = reasons([5, 1, 4, 2, 3, 0], [1, 2], drawn=[0, 9, 4, 2, 3, 0])
    column = found.columns[0]
    assert column.intent is Intent.LEARN
    assert (column.rank, column.category_rank, column.category_size, column.drawn_rank) == (5, 2, 2, 1)
    assert (column.behind, column.instead) == (4, CANDIDATES[0])
    assert found.columns[1].intent is Intent.PLEASE


def test_the_best_of_a_category_that_expectation_would_leave_out_is_shown_to_learn() -> None:
    found = reasons([5, 1, 4, 2, 3, 0], [0, 4])
    column = found.columns[1]
    assert column.intent is Intent.LEARN
    assert column.category_rank == 1
    assert (column.behind, column.instead) == (1, CANDIDATES[2])


def test_equal_candidates_please_alike() -> None:
    found = reasons([5, 5, 4, 4, 4, 0], [1, 4])
    assert [it.intent for it in found.columns] == [Intent.PLEASE] * 2
    assert [it.rank for it in found.columns] == [1, 3]


def test_where_all_are_equal_chance_decided() -> None:
    found = reasons([0.0] * 6, [5, 2], drawn=[0, 1, 2, 3, 4, 5])
    assert [it.intent for it in found.columns] == [Intent.CHANCE] * 2
    # exploring has told them apart
    assert [it.drawn_rank for it in found.columns] == [1, 4]
    assert because(found.columns[1], found) == "all are expected to be alike, drawn as 4th of 6"
    alike = reasons([0.0] * 6, [5, 2], drawn=[0.0] * 6)
    assert [it.drawn_rank for it in alike.columns] == [None] * 2
    assert because(alike.columns[1], alike) == "nothing tells the prompts apart yet"


@pytest.mark.parametrize(
    ("exploration", "space", "drawn"), [(0.25, True, True), (0.0, True, False), (0.25, False, False)]
)
def test_before_the_first_pick_drawn_tastes_choose_where_there_is_a_space(
    exploration: float, space: bool, drawn: bool
) -> None:
    world = World.drawn(3)
    directions = fit_space("", [world.pick(f"session {n}", 1) for n in range(30)]) if space else None
    selector = TasteSelector(
        CandidateForm(3, 2), TasteLearner(RememberedTexts(embed_texts), directions), exploration
    )
    history = world.history("a red train", 0)
    judged = asyncio.run(selector.judge(history, CANDIDATES, 2, 1))
    slates = [asyncio.run(selector.select(history, CANDIDATES, 2, seed)) for seed in range(1, 9)]
    assert np.ptp(judged.expected) == 0, "without types nothing is expected"
    assert judged.drawn is not None and bool(np.ptp(np.round(judged.drawn, 12)) > 0) is drawn
    assert len({slate.indices for slate in slates}) > 1
    found = reasons_for(1, selector.name, judged, CANDIDATES, slates[0], GROUPS)
    assert [("drawn as" in because(it, found)) for it in found.columns] == [drawn] * 2


def test_what_the_person_asked_for_is_a_wish_and_spoils_nothing() -> None:
    slate = Slate((3, 2), (2.0, 4.0))
    judged = Judgement(np.array([5.0, 1, 4, 2, 3, 0]))
    found = reasons_for(1, "taste", judged, CANDIDATES, slate, GROUPS, wished={0})
    assert [it.intent for it in found.columns] == [Intent.WISH, Intent.PLEASE]


def test_a_judgement_that_gives_other_values_explains_nothing_but_today() -> None:
    slate = Slate((0, 2), (9.0, 4.0))
    found = reasons_for(1, "taste", Judgement(np.array([5.0, 1, 4, 2, 3, 0])), CANDIDATES, slate, GROUPS)
    assert not found.current
    assert [it.intent for it in found.columns] == [None, None]
    assert [it.rank for it in found.columns] == [1, 2]


def test_a_selector_that_judges_nothing_says_so_and_what_a_taste_thinks_of_it() -> None:
    slate = Slate((5, 0))
    opinion = Judgement(np.array([5.0, 1, 4, 2, 3, 0]), np.full(6, 0.5), picks=7)
    for without in (Intent.CHANCE, Intent.WRITTEN):
        found = reasons_for(2, "random", None, CANDIDATES, slate, GROUPS, opinion=opinion, without=without)
        assert [it.intent for it in found.columns] == [without] * 2
        assert [(it.utility, it.spread) for it in found.columns] == [(0.0, 0.5), (5.0, 0.5)]
        assert [it.rank for it in found.columns] == [None, None]
        assert found.picks == 7
    bare = reasons_for(2, "random", None, CANDIDATES, slate, GROUPS, without=Intent.CHANCE)
    assert [(it.utility, it.value) for it in bare.columns] == [(None, None)] * 2


def test_a_value_model_ranks_and_a_taste_beside_it_only_says_what_it_thinks() -> None:
    values = np.array([5.0, 1, 4, 2, 3, 0])
    opinion = Judgement(-values, np.full(6, 0.1), picks=1)
    slate = Slate((0, 2), (5.0, 4.0))
    found = reasons_for(
        1, "value", Judgement(values, values=values), CANDIDATES, slate, GROUPS, opinion=opinion
    )
    assert [(it.value, it.utility) for it in found.columns] == [(5.0, -5.0), (4.0, -4.0)]
    assert [it.intent for it in found.columns] == [Intent.PLEASE] * 2


@given(
    st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    st.integers(0, 99),
)
def test_a_column_pleases_if_and_only_if_some_best_slate_holds_it(
    expected: list[int], drawn: list[int], seed: int
) -> None:
    shown = best_slate(drawn, GROUPS, 2, random.Random(seed))
    found = reasons([float(it) for it in expected], shown)
    slates = [
        (one, two)
        for first in range(3)
        for second in range(first + 1, 3)
        for one in GROUPS[first]
        for two in GROUPS[second]
    ]
    most = max(expected[one] + expected[two] for one, two in slates)
    best = {it for slate in slates if expected[slate[0]] + expected[slate[1]] == most for it in slate}
    for index, reason in zip(shown, found.columns, strict=True):
        if reason.intent is Intent.CHANCE:
            assert len(set(expected)) == 1
        else:
            assert (reason.intent is Intent.PLEASE) == (index in best)


def test_selectors_that_judge_say_so() -> None:
    form = CandidateForm(3, 2)
    assert isinstance(TasteSelector(form, TasteLearner(RememberedTexts(embed_texts))), Judge)
    assert not isinstance(RandomSelector(form), Judge)


def test_an_explanation_names_candidates_that_are_not_shown() -> None:
    found = reasons([5, 1, 4, 2, 3, 0], [1, 4])
    assert [it.instead for it in found.columns] == [CANDIDATES[0], CANDIDATES[2]]
    assert [it.behind for it in found.columns] == pytest.approx([4, 1])
