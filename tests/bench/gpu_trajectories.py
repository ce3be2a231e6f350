"""Trajectories as a Gemma's tokens, as long as a session's prompts grow (App. E.2), and random otherwise."""

from __future__ import annotations

import random
from itertools import accumulate

from pasta_core.agent.budget import word_budget
from pasta_core.agent.value_model_packing import Branch, Tree
from pasta_core.training.value_batches import PromptBranch, ValueExample

SHOWN = 4
"""Prompts a turn (L)."""
WORDS, MOST_WORDS = 12, 62
"""Of the initial prompt, and N_w^max."""
TOKENS_A_WORD = 1.35
TOLD = 25
"""Tokens of a turn in the history beside its prompts: numbers, "The user chooses", line ends."""


def random_example(seed: int, turns: int, vocabulary: int) -> ValueExample:
    """A complete trajectory whose last turn pays.

    A turn's history tells its shown prompts and the chosen one; a branch is a shown prompt.
    """
    rng = random.Random(seed)

    def drawn(length: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, vocabulary) for _ in range(length))

    prompts = [
        round(TOKENS_A_WORD * word_budget(WORDS, turn, turns, MOST_WORDS)) for turn in range(1, turns + 1)
    ]
    opening = round(TOKENS_A_WORD * WORDS) + 4
    segments = [opening, *((SHOWN + 1) * length + TOLD for length in prompts[:-1])]
    ends = list(accumulate(segments))
    branches = [
        Branch(ends[turn], drawn(rng.randint(length // 2, length)))
        for turn, length in enumerate(prompts)
        for _ in range(SHOWN)
    ]
    meanings = [
        PromptBranch(turn, 0, f"category {place}", True) for turn in range(turns) for place in range(SHOWN)
    ]
    return ValueExample(
        Tree(drawn(ends[-1]), tuple(branches)),
        tuple(meanings),
        tuple(end - 1 for end in ends),
        (*(0.0 for _ in range(turns - 1)), 10 * rng.random()),
        SHOWN,
    )
