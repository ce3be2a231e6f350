"""Nucleus sampling under a grammar, against a plain computation of the same nucleus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.agent.sampling import SHORTLIST, NothingAllowed, sample_nucleus


def nucleus_of(logits: np.ndarray, ok: np.ndarray, p: float) -> dict[int, float]:
    """The nucleus and its probabilities, by the definition."""
    tokens = [token for token in range(len(logits)) if ok[token]]
    weights = {token: float(np.exp(np.float64(logits[token]) - np.float64(logits.max()))) for token in tokens}
    total = sum(weights.values())
    kept: dict[int, float] = {}
    for token in sorted(tokens, key=lambda token: (-weights[token], token)):
        if kept and sum(kept.values()) >= p * total:
            break
        kept[token] = weights[token]
    return {token: weight / sum(kept.values()) for token, weight in kept.items()}


def tempered(odds: dict[int, float], temperature: float) -> dict[int, float]:
    """The same tokens at another temperature."""
    likeliest = max(odds.values())
    weights = {token: float((odd / likeliest) ** (1 / temperature)) for token, odd in odds.items()}
    return {token: weight / sum(weights.values()) for token, weight in weights.items()}


@given(
    size=st.integers(1, 900),
    spread=st.floats(0.1, 8),
    share=st.floats(0.02, 1),
    p=st.sampled_from([0.3, 0.8, 0.95]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_draw_lies_in_the_nucleus_of_the_allowed(
    size: int, spread: float, share: float, p: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, size).astype(np.float32)
    ok = rng.random(size) < share
    ok[rng.integers(size)] = True
    nucleus = nucleus_of(logits, ok, p)
    for _ in range(5):
        assert sample_nucleus(logits, lambda tokens: ok[tokens], rng, nucleus=p) in nucleus


@given(
    size=st.integers(1, 900),
    spread=st.floats(0.1, 8),
    share=st.floats(0.02, 1),
    p=st.sampled_from([0.3, 0.8, 0.95]),
    temperature=st.sampled_from([0.02, 0.5, 1.0, 1.7, 4.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_grammar_comes_first_then_the_nucleus_and_the_temperature_at_last(
    size: int, spread: float, share: float, p: float, temperature: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, size).astype(np.float32)
    ok = rng.random(size) < share
    ok[rng.integers(size)] = True
    odds = tempered(nucleus_of(logits, ok, p), temperature)
    ends = np.cumsum(list(odds.values()))
    for number in range(5):
        point = np.random.default_rng(number).random() * ends[-1]
        expected = list(odds)[min(int(np.searchsorted(ends, point, side="right")), len(odds) - 1)]
        drawn = sample_nucleus(
            logits,
            lambda tokens: ok[tokens],
            np.random.default_rng(number),
            nucleus=p,
            temperature=temperature,
        )
        assert drawn == expected


@pytest.mark.parametrize(("size", "temperature"), [(50, 1.0), (3000, 1.0), (3000, 0.5), (3000, 2.5)])
def test_frequencies_are_the_nucleus_probabilities(size: int, temperature: float) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.0 if size < 100 else 3.5, size).astype(np.float32)
    ok = rng.random(size) < 0.5
    nucleus = tempered(nucleus_of(logits, ok, 0.8), temperature)
    assert len(nucleus) > 5
    draws = 8000
    counts = dict.fromkeys(nucleus, 0)
    for _ in range(draws):
        token = sample_nucleus(logits, lambda tokens: ok[tokens], rng, nucleus=0.8, temperature=temperature)
        counts[token] += 1
    for token, probability in nucleus.items():
        deviation = (probability * (1 - probability) / draws) ** 0.5
        assert abs(counts[token] / draws - probability) < 4.5 * deviation


def test_a_token_outside_the_shortlist_is_found_when_it_alone_is_allowed() -> None:
    logits = np.linspace(10, 0, 4 * SHORTLIST).astype(np.float32)
    last = len(logits) - 1
    rng = np.random.default_rng(0)
    assert sample_nucleus(logits, lambda tokens: tokens == last, rng, nucleus=0.8) == last


def test_the_grammar_is_asked_about_the_shortlist_alone_where_that_is_enough() -> None:
    logits = np.full(100_000, -30, dtype=np.float32)
    logits[:300] = np.linspace(5, -5, 300)
    asked: list[int] = []

    def allowed(tokens: np.ndarray) -> np.ndarray:
        asked.append(len(tokens))
        return tokens % 2 == 0

    sample_nucleus(logits, allowed, np.random.default_rng(0), nucleus=0.8)
    assert asked == [SHORTLIST]


def test_a_nucleus_of_all_leaves_out_nothing_however_unlikely() -> None:
    logits = np.zeros(1000, dtype=np.float32)
    logits[5] = 60
    rng = np.random.default_rng(0)
    drawn = {
        sample_nucleus(logits, lambda tokens: tokens < 900, rng, nucleus=1.0, temperature=20.0)
        for _ in range(500)
    }
    assert len(drawn) > 100 and 5 in drawn


@pytest.mark.parametrize("nucleus", [0.8, 1.0])
def test_what_the_grammar_leaves_is_drawn_from_at_any_temperature(nucleus: float) -> None:
    logits = np.full(1000, -300, dtype=np.float32)
    logits[:4] = (0, -200, -201, -202)
    rng = np.random.default_rng(0)
    drawn = {
        sample_nucleus(logits, lambda tokens: tokens > 0, rng, nucleus=nucleus, temperature=0.2)
        for _ in range(20)
    }
    assert drawn == {1}


def test_nothing_allowed_is_said() -> None:
    logits = np.zeros(600, dtype=np.float32)
    with pytest.raises(NothingAllowed):
        sample_nucleus(logits, lambda tokens: tokens < 0, np.random.default_rng(0), nucleus=0.8)


def test_temperature_zero_takes_the_likeliest_allowed() -> None:
    logits = np.array([1, 5, 3, 4], dtype=np.float32)
    rng = np.random.default_rng(0)
    assert sample_nucleus(logits, lambda tokens: tokens != 1, rng, nucleus=0.8, temperature=0) == 3
