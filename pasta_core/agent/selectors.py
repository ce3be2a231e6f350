"""The selectors of §3.1: the random one and the writer baseline, and those that ask a value model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pasta_core.domain import Candidate, CandidateForm, History, Selector, Slate
from pasta_core.errors import InvalidInput, PastaError

__all__ = [
    "SELECTORS",
    "RandomSelector",
    "SelectorName",
    "SoftmaxSelector",
    "ValueSelector",
    "Valuer",
    "WriterSelector",
    "best_slate",
    "make_selector",
]


class Valuer(Protocol):
    """The prompt-value function f(h, p) of §3.2 as a service; no model is loaded here."""

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One value per candidate, in their order."""
        ...


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
        groups = _groups(candidates, self._form, columns)
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


class ValueSelector:
    """pi_S of Eq. 1: the slate of the highest mean prompt value, at most one prompt per category (E.3).

    Equal values are ordered by the seed, and so is the shown order, which must say nothing of the values.
    """

    name = "value"

    def __init__(self, form: CandidateForm, valuer: Valuer) -> None:
        self._form = form
        self._valuer = valuer

    def form(self, columns: int) -> CandidateForm:
        """The full candidate set."""
        return self._form

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Ask for the values and show the best slate; `PastaError` where it cannot be filled."""
        rng = random.Random(seed)
        groups = _groups(candidates, self._form, columns)
        values = await _values(self._valuer, history, candidates)
        return _shown(best_slate(values, groups, columns, rng), values, rng)


class SoftmaxSelector:
    """Slates at random, the likelier the better: candidate i weighs exp(value_i / temperature).

    A category's candidate is drawn by these weights among its own, and the categories one after another,
    without repetition, by the sums of theirs.
    """

    name = "softmax"

    def __init__(self, form: CandidateForm, valuer: Valuer, temperature: float = 1.0) -> None:
        if not temperature > 0:
            raise InvalidInput(f"a temperature of {temperature} draws nothing", "choose one above 0")
        self._form = form
        self._valuer = valuer
        self._temperature = temperature

    def form(self, columns: int) -> CandidateForm:
        """The full candidate set."""
        return self._form

    async def select(
        self, history: History, candidates: Sequence[Candidate], columns: int, seed: int
    ) -> Slate:
        """Ask for the values and draw; the best slate of values plus Gumbel noise has just that law."""
        rng = random.Random(seed)
        groups = _groups(candidates, self._form, columns)
        values = await _values(self._valuer, history, candidates)
        noisy = [value / self._temperature - math.log(rng.expovariate(1.0)) for value in values]
        return _shown(best_slate(noisy, groups, columns, rng), values, rng)


SELECTORS: Mapping[str, Callable[[CandidateForm], Selector]] = {
    RandomSelector.name: RandomSelector,
    WriterSelector.name: WriterSelector,
}
"""How each selector that needs no value model is made from the session's candidate form."""

_VALUED: Mapping[str, Callable[[CandidateForm, Valuer], Selector]] = {
    ValueSelector.name: ValueSelector,
    SoftmaxSelector.name: SoftmaxSelector,
}


@dataclass(frozen=True, slots=True)
class SelectorName:
    """What `--selector` says: a kind, and which value model it asks, if it asks one (empty: the profile's).

    Written `random`, `writer`, `value`, `value:PATH`, `softmax`, `softmax:PATH`.
    """

    kind: str
    model: str = ""

    @classmethod
    def parse(cls, text: str) -> SelectorName:
        """Read a name; `InvalidInput` says which kinds there are."""
        kind, colon, model = text.partition(":")
        if kind in _VALUED and (model or not colon):
            return cls(kind, model)
        if kind in SELECTORS and not colon:
            return cls(kind)
        known = ", ".join(sorted((*SELECTORS, *(f"{name}[:PATH]" for name in _VALUED))))
        raise InvalidInput(f"there is no selector {text!r}", f"known selectors: {known}")

    @property
    def valued(self) -> bool:
        """Whether it asks a value model."""
        return self.kind in _VALUED

    def __str__(self) -> str:
        return f"{self.kind}:{self.model}" if self.model else self.kind


def make_selector(
    name: str, form: CandidateForm | None = None, valuer: Callable[[str], Valuer] | None = None
) -> Selector:
    """The selector of this name; `valuer` makes the service of a value model, given `SelectorName.model`.

    `InvalidInput` for a name that is none, or that needs a `valuer` where there is none.
    """
    form = form or CandidateForm()
    parsed = SelectorName.parse(name)
    if not parsed.valued:
        return SELECTORS[parsed.kind](form)
    if valuer is None:
        raise InvalidInput(
            f"selector {name!r} needs a value model, and there is none here",
            f"known selectors: {', '.join(sorted(SELECTORS))}",
        )
    return _VALUED[parsed.kind](form, valuer(parsed.model))


def best_slate(
    values: Sequence[float], groups: Sequence[Sequence[int]], columns: int, rng: random.Random
) -> tuple[int, ...]:
    """The `columns` indices of the highest sum of values with at most one index per group, best first.

    The best of each group, then the top of those: exact, because the sum has one term per column (§3.2). Ties
    fall by `rng`.
    """
    fates = [rng.random() for _ in values]

    def rank(index: int) -> tuple[float, float]:
        return values[index], fates[index]

    return tuple(sorted((max(group, key=rank) for group in groups), key=rank, reverse=True)[:columns])


async def _values(valuer: Valuer, history: History, candidates: Sequence[Candidate]) -> tuple[float, ...]:
    values = tuple(await valuer.values(history, candidates))
    if len(values) != len(candidates) or not all(map(math.isfinite, values)):
        raise PastaError(
            f"the value model gave {sum(map(math.isfinite, values))} values for {len(candidates)} prompts",
            "try another value model",
        )
    return values


def _shown(slate: tuple[int, ...], values: Sequence[float], rng: random.Random) -> Slate:
    order = rng.sample(slate, len(slate))
    return Slate(tuple(order), tuple(values[index] for index in order))


def _groups(candidates: Sequence[Candidate], form: CandidateForm, columns: int) -> list[list[int]]:
    """The candidates of which at most one each may be shown."""
    groups = list(_by_category(candidates).values())
    if form.direct:
        groups = [[index] for index in range(len(candidates))]
    if len(groups) < columns:
        raise PastaError(f"{columns} columns cannot be chosen from {len(groups)} categories")
    return groups


def _by_category(candidates: Sequence[Candidate]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.category, []).append(index)
    return groups
