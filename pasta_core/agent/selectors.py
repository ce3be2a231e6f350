"""The selectors that need no trained model: the random one and the writer baseline."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from pasta_core.domain import Candidate, CandidateForm, History, Selector, Slate
from pasta_core.errors import InvalidInput, PastaError

__all__ = ["SELECTORS", "RandomSelector", "WriterSelector", "make_selector"]


class RandomSelector:
    """pi_rand of App. C.1: every slate with at most one prompt per category is equally likely.

    That holds for categories of equal size, which is all the writer writes. The order is random too.
    """

    name = "random"

    def __init__(self, form: CandidateForm) -> None:
        self._form = form

    def form(self, columns: int) -> CandidateForm:
        """The full candidate set."""
        return self._form

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Draw `columns` categories and one candidate of each; the seed decides alone.

        `PastaError` where there are fewer categories (in the direct form: candidates) than columns.
        """
        rng = random.Random(seed)
        groups = list(_by_category(candidates).values())
        if self._form.direct:
            groups = [[index] for index in range(len(candidates))]
        if len(groups) < columns:
            raise PastaError(f"{columns} columns cannot be chosen from {len(groups)} categories")
        return Slate(tuple(rng.choice(group) for group in rng.sample(groups, columns)))


class WriterSelector:
    """The writer baseline of §4.1: the language model is asked for the slate itself, nothing is selected."""

    name = "writer"

    def __init__(self, form: CandidateForm) -> None:
        self._form = form

    def form(self, columns: int) -> CandidateForm:
        """The direct form: exactly the prompts that are shown."""
        return CandidateForm(categories=1, per_category=columns)

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Show what was written, in the order it was written; `PastaError` where it is too little."""
        if len(candidates) < columns:
            raise PastaError(f"{columns} columns cannot be shown of {len(candidates)} prompts")
        return Slate(tuple(range(columns)))


SELECTORS: Mapping[str, Callable[[CandidateForm], Selector]] = {
    RandomSelector.name: RandomSelector,
    WriterSelector.name: WriterSelector,
}
"""How each selector is made from the session's candidate form."""


def make_selector(name: str, form: CandidateForm | None = None) -> Selector:
    """The selector of this name; `InvalidInput` names the known ones."""
    if name not in SELECTORS:
        raise InvalidInput(
            f"there is no selector {name!r}", f"known selectors: {', '.join(sorted(SELECTORS))}"
        )
    return SELECTORS[name](form or CandidateForm())


def _by_category(candidates: Sequence[Candidate]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.category, []).append(index)
    return groups
