"""The word budget: how long the prompts of a turn may be (App. E.2)."""

from __future__ import annotations

from fractions import Fraction
from math import floor

__all__ = ["word_budget"]


def word_budget(initial_words: int, turn: int, turns: int, max_words: int) -> int:
    """The most words that a prompt of turn `turn` (1 to `turns`) may have.

    App. E.2 prints `N_t = N_{t-1} (N_max - N_{t-1}) / H`, which explodes and then turns negative: a "+" is
    missing. Read as `N_t = N_{t-1} + (N_max - N_{t-1}) / H`, it grows towards N_max from N_0, the words of
    the initial prompt. The recursion runs on exact numbers; only the result is floored, and clamped at N_max.
    """
    budget = Fraction(min(initial_words, max_words))
    for _ in range(turn):
        budget += (max_words - budget) / turns
    return min(floor(budget), max_words)
