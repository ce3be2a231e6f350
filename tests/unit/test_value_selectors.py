"""The selectors that ask for values: the exact best slate, ties by seed, and softmax draws."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.agent.selectors import SoftmaxSelector, ValueSelector, make_selector
from pasta_core.domain import Candidate, CandidateForm, History, Selector, Slate
from pasta_core.errors import InvalidInput, PastaError

HISTORY = History("a red train")


class Table:
    """Values by prompt."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        return [self._values[int(candidate.prompt)] for candidate in candidates][: len(self._values)]


def slate(selector: Selector, categories: Sequence[str], columns: int, seed: int = 0) -> Slate:
    candidates = [Candidate(str(index), category) for index, category in enumerate(categories)]
    return asyncio.run(selector.select(HISTORY, candidates, columns, seed))


def value_selector(values: Sequence[float], form: CandidateForm | None = None) -> ValueSelector:
    return ValueSelector(form or CandidateForm(), Table(values))


valued = st.lists(
    st.tuples(st.sampled_from("abcde"), st.floats(-10, 10) | st.integers(0, 2).map(float)),
    min_size=1,
    max_size=12,
)


@given(valued, st.data())
def test_no_slate_of_one_per_category_is_worth_more(
    drawn: list[tuple[str, float]], data: st.DataObject
) -> None:
    categories, values = [category for category, _ in drawn], [value for _, value in drawn]
    columns = data.draw(st.integers(1, len(set(categories))))
    found = slate(value_selector(values), categories, columns, data.draw(st.integers(0, 2**32 - 1)))
    allowed = [
        chosen
        for chosen in combinations(range(len(values)), columns)
        if len({categories[index] for index in chosen}) == columns
    ]
    best = max(sum(values[index] for index in chosen) for chosen in allowed)
    assert tuple(sorted(found.indices)) in allowed
    assert sum(values[index] for index in found.indices) == pytest.approx(best)
    assert found.values == tuple(values[index] for index in found.indices)


def test_the_direct_form_excludes_nobody() -> None:
    found = slate(value_selector([1, 5, 3, 4], CandidateForm(1, 4)), [""] * 4, 2)
    assert set(found.indices) == {1, 3}


def test_ties_fall_by_the_seed_alone_and_evenly() -> None:
    selector, categories = value_selector([1.0] * 6), list("aabbcc")
    seeds = range(1200)
    slates = [slate(selector, categories, 2, seed).indices for seed in seeds]
    assert slates == [slate(selector, categories, 2, seed).indices for seed in seeds]
    counts = Counter(index for indices in slates for index in indices)
    assert len(counts) == 6
    # 2400 places for 6 equal candidates: 400 each, with a deviation of 16
    assert all(abs(count - 400) < 5 * 16.4 for count in counts.values())


def test_the_shown_order_says_nothing_of_the_values() -> None:
    selector = value_selector([4.0, 3.0, 2.0, 1.0])
    first = Counter(slate(selector, list("abcd"), 4, seed).indices[0] for seed in range(800))
    assert all(abs(first[index] - 200) < 5 * 12.3 for index in range(4))


def test_softmax_draws_as_often_as_it_says() -> None:
    values, temperature, draws = [0.0, 1.0, 0.5, 2.0, 0.3], 0.7, 4000
    categories = ["a", "a", "b", "b", "c"]
    selector = SoftmaxSelector(CandidateForm(), Table(values), temperature)
    first = Counter(slate(selector, categories, 1, seed).indices[0] for seed in range(draws))
    weights = [math.exp(value / temperature) for value in values]
    for index, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(first[index] / draws - share) < 5 * math.sqrt(share * (1 - share) / draws)
    pairs = Counter(frozenset(slate(selector, categories, 2, seed).indices) for seed in range(draws))
    group = {"a": weights[0] + weights[1], "b": weights[2] + weights[3], "c": weights[4]}
    total = sum(group.values())
    missing_c = sum(pairs[frozenset(pair)] for pair in ((0, 2), (0, 3), (1, 2), (1, 3))) / draws
    share = sum(
        group[one] / total * group[two] / (total - group[one]) for one, two in (("a", "b"), ("b", "a"))
    )
    assert abs(missing_c - share) < 5 * math.sqrt(share * (1 - share) / draws)
    assert not any(pairs[frozenset(pair)] for pair in ((0, 1), (2, 3)))


def test_a_low_temperature_is_the_best_slate() -> None:
    selector = SoftmaxSelector(CandidateForm(), Table([0.0, 1.0, 2.0]), 1e-6)
    found = slate(selector, list("aab"), 2)
    assert set(found.indices) == {1, 2}
    assert found.values is not None and set(found.values) == {1.0, 2.0}, "predicted values, without the noise"
    with pytest.raises(InvalidInput, match="temperature"):
        SoftmaxSelector(CandidateForm(), Table([]), 0.0)


@pytest.mark.parametrize("values", [[1.0, 2.0, math.nan], [1.0, math.inf, 0.0]])
def test_values_that_are_no_numbers_select_nothing(values: list[float]) -> None:
    with pytest.raises(PastaError, match="2 values for 3 prompts"):
        slate(value_selector(values), list("abc"), 2)


class Short(Table):
    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        return [1.0]


def test_a_value_too_few_selects_nothing() -> None:
    with pytest.raises(PastaError, match="1 values for 3 prompts"):
        slate(ValueSelector(CandidateForm(), Short([])), list("abc"), 2)


def test_too_few_categories_are_an_error() -> None:
    with pytest.raises(PastaError, match="4 columns"):
        slate(value_selector([1.0] * 3), list("abc"), 4)


def test_selectors_of_values_are_made_with_a_service_only() -> None:
    form = CandidateForm(6, 2)
    for name in ("value", "softmax"):
        for model in ("", "models/v:1"):
            asked: list[str] = []

            def valuer(path: str, asked: list[str] = asked) -> Table:
                asked.append(path)
                return Table([])

            made = make_selector(f"{name}:{model}" if model else name, form, valuer)
            assert asked == [model]
            assert made.name == name
            assert made.form(4) == form
        with pytest.raises(InvalidInput, match="needs a value model"):
            make_selector(name)


@pytest.mark.parametrize("name", ["", "best", "value:", "softmax:", "random:models/v", "Value:x"])
def test_what_names_no_selector_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="there is no selector"):
        make_selector(name, None, lambda path: Table([]))
