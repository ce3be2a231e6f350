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


@pytest.mark.parametrize("size", [50, 3000])
def test_frequencies_are_the_nucleus_probabilities(size: int) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.0 if size < 100 else 3.5, size).astype(np.float32)
    ok = rng.random(size) < 0.5
    nucleus = nucleus_of(logits, ok, 0.8)
    assert len(nucleus) > 5
    draws = 8000
    counts = dict.fromkeys(nucleus, 0)
    for _ in range(draws):
        counts[sample_nucleus(logits, lambda tokens: ok[tokens], rng, nucleus=0.8)] += 1
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


def test_nothing_allowed_is_said() -> None:
    logits = np.zeros(600, dtype=np.float32)
    with pytest.raises(NothingAllowed):
        sample_nucleus(logits, lambda tokens: tokens < 0, np.random.default_rng(0), nucleus=0.8)


def test_temperature_zero_takes_the_likeliest_allowed() -> None:
    logits = np.array([1, 5, 3, 4], dtype=np.float32)
    rng = np.random.default_rng(0)
    assert sample_nucleus(logits, lambda tokens: tokens != 1, rng, nucleus=0.8, temperature=0) == 3
