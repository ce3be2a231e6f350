"""The selectors of §3.1 by name: the random one, the writer baseline, and those that ask a value model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pasta_core.agent.slates import best_slate, grouped, shuffled
from pasta_core.agent.taste_learner import TasteLearner
from pasta_core.agent.taste_selector import EXPLORATION, MOST_EXPLORATION, TasteSelector
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
        groups = grouped(candidates, self._form, columns)
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
        groups = grouped(candidates, self._form, columns)
        values = await _values(self._valuer, history, candidates)
        return shuffled(best_slate(values, groups, columns, rng), values, rng)


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
        groups = grouped(candidates, self._form, columns)
        values = await _values(self._valuer, history, candidates)
        noisy = [value / self._temperature - math.log(rng.expovariate(1.0)) for value in values]
        return shuffled(best_slate(noisy, groups, columns, rng), values, rng)


SELECTORS: Mapping[str, Callable[[CandidateForm], Selector]] = {
    RandomSelector.name: RandomSelector,
    WriterSelector.name: WriterSelector,
}
"""How each selector that asks nothing is made from the session's candidate form."""

_VALUED: Mapping[str, Callable[[CandidateForm, Valuer], Selector]] = {
    ValueSelector.name: ValueSelector,
    SoftmaxSelector.name: SoftmaxSelector,
}


@dataclass(frozen=True, slots=True)
class SelectorName:
    """What `--selector` says: a kind, and which value model it asks, if it asks one (empty: the profile's).

    Written `random`, `writer`, `value`, `value:PATH`, `softmax`, `softmax:PATH`, `taste`,
    `taste:EXPLORATION`.
    """

    kind: str
    model: str = ""
    exploration: float | None = None

    @classmethod
    def parse(cls, text: str) -> SelectorName:
        """Read a name; `InvalidInput` says which kinds there are."""
        kind, colon, rest = text.partition(":")
        if kind in _VALUED and (rest or not colon):
            return cls(kind, rest)
        if kind in SELECTORS and not colon:
            return cls(kind)
        if kind == TasteSelector.name and (rest or not colon):
            return cls(kind, exploration=_exploration(rest) if rest else None)
        valued = (f"{name}[:PATH]" for name in _VALUED)
        known = ", ".join(sorted((*SELECTORS, *valued, f"{TasteSelector.name}[:EXPLORATION]")))
        raise InvalidInput(f"there is no selector {text!r}", f"known selectors: {known}")

    @property
    def valued(self) -> bool:
        """Whether it asks a value model."""
        return self.kind in _VALUED

    @property
    def learns(self) -> bool:
        """Whether it asks a taste."""
        return self.kind == TasteSelector.name

    def settled(self) -> SelectorName:
        """The same with the default exploration where none is said, so that it means the same for ever."""
        if self.learns and self.exploration is None:
            return SelectorName(self.kind, exploration=EXPLORATION)
        return self

    def __str__(self) -> str:
        if self.exploration is not None:
            return f"{self.kind}:{self.exploration:g}"
        return f"{self.kind}:{self.model}" if self.model else self.kind


def make_selector(
    name: str,
    form: CandidateForm | None = None,
    valuer: Callable[[str], Valuer] | None = None,
    learner: TasteLearner | None = None,
) -> Selector:
    """The selector of this name; `valuer` makes the service of a value model, given `SelectorName.model`.

    `InvalidInput` for a name that is none, or that needs a `valuer` or a `learner` where there is none.
    """
    form = form or CandidateForm()
    parsed = SelectorName.parse(name).settled()
    if parsed.exploration is not None:
        if learner is None:
            raise InvalidInput(f"selector {name!r} needs a CLIP that learns with it, and there is none here")
        return TasteSelector(form, learner, parsed.exploration)
    if not parsed.valued:
        return SELECTORS[parsed.kind](form)
    if valuer is None:
        raise InvalidInput(
            f"selector {name!r} needs a value model, and there is none here",
            f"known selectors: {', '.join(sorted(SELECTORS))}",
        )
    return _VALUED[parsed.kind](form, valuer(parsed.model))


def _exploration(text: str) -> float:
    try:
        exploration = float(text)
    except ValueError:
        exploration = math.nan
    if not 0 <= exploration <= MOST_EXPLORATION:
        raise InvalidInput(
            f"taste:{text} names no exploration",
            f"write taste, or taste:E with E from 0 to {MOST_EXPLORATION:g}",
        )
    return exploration


async def _values(valuer: Valuer, history: History, candidates: Sequence[Candidate]) -> tuple[float, ...]:
    values = tuple(await valuer.values(history, candidates))
    if len(values) != len(candidates) or not all(map(math.isfinite, values)):
        raise PastaError(
            f"the value model gave {sum(map(math.isfinite, values))} values for {len(candidates)} prompts",
            "try another value model",
        )
    return values
