"""The random selector of App. C.1 and the writer baseline of §4.1."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.agent.selectors import SELECTORS, RandomSelector, WriterSelector, make_selector
from pasta_core.domain import Candidate, CandidateForm, History
from pasta_core.errors import InvalidInput, PastaError

HISTORY = History("a red train")


def candidates(form: CandidateForm) -> list[Candidate]:
    return [
        Candidate(f"prompt {group}.{index}", "" if form.direct else f"category {group}")
        for group in range(form.categories)
        for index in range(form.per_category)
    ]


def pick(
    selector: RandomSelector | WriterSelector, form: CandidateForm, columns: int, seed: int
) -> tuple[int, ...]:
    return asyncio.run(selector.select(HISTORY, candidates(form), columns, seed)).indices


@given(st.integers(2, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.data())
def test_a_random_slate_has_one_prompt_per_category(
    categories: int, per_category: int, seed: int, data: st.DataObject
) -> None:
    form = CandidateForm(categories, per_category)
    columns = data.draw(st.integers(1, categories))
    slate = pick(RandomSelector(form), form, columns, seed)
    assert len(slate) == columns
    assert len({index // per_category for index in slate}) == columns
    assert slate == pick(RandomSelector(form), form, columns, seed)


def test_every_candidate_and_every_place_is_equally_likely() -> None:
    form = CandidateForm()
    draws = 5000
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(draws):
        counts.update(enumerate(pick(RandomSelector(form), form, 4, seed)))
    expected = draws / 25
    assert len(counts) == 4 * 25
    # chi-square with 4 * 24 degrees of freedom: its mean is 96, its deviation below 14
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 96 + 5 * 14


def test_too_few_categories_are_an_error() -> None:
    form = CandidateForm(3, 5)
    with pytest.raises(PastaError, match="4 columns"):
        pick(RandomSelector(form), form, 4, 0)


def test_random_in_the_direct_form_draws_from_all_prompts() -> None:
    form = CandidateForm(1, 6)
    assert len(set(pick(RandomSelector(form), form, 4, 1))) == 4


@given(st.integers(1, 9), st.integers(0, 1000))
def test_the_writer_baseline_shows_all_it_asked_for(columns: int, seed: int) -> None:
    selector = WriterSelector(CandidateForm())
    form = selector.form(columns)
    assert form.direct
    assert form.total == columns
    assert pick(selector, form, columns, seed) == tuple(range(columns))


def test_the_writer_baseline_refuses_too_few_prompts() -> None:
    with pytest.raises(PastaError, match="4 columns"):
        pick(WriterSelector(CandidateForm()), CandidateForm(1, 3), 4, 0)


def test_selectors_are_made_by_name() -> None:
    assert {name: make_selector(name).name for name in SELECTORS} == {name: name for name in SELECTORS}
    assert make_selector("random", CandidateForm(6, 2)).form(4) == CandidateForm(6, 2)
    with pytest.raises(InvalidInput) as caught:
        make_selector("best")
    assert "taste[:EXPLORATION], taste[:EXPLORATION]+value[:PATH], value[:PATH], writer" in caught.value.hint
