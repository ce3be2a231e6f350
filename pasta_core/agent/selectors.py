"""The selectors of §3.1 by name: the random one, the writer baseline, and those that ask models."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

from pasta_core.agent.second_opinion import ValueCalibration
from pasta_core.agent.selector_names import SelectorName
from pasta_core.agent.slates import best_slate, grouped, shuffled
from pasta_core.agent.taste_learner import TasteLearner
from pasta_core.agent.taste_selector import EXPLORATION, TasteSelector
from pasta_core.agent.taste_value_selector import TasteValueSelector
from pasta_core.agent.value_calibration import ASSUMED
from pasta_core.agent.valuer import Valuer, asked
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
        values = await asked(self._valuer, history, candidates)
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
        values = await asked(self._valuer, history, candidates)
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


def make_selector(
    name: str,
    form: CandidateForm | None = None,
    valuer: Callable[[str], Valuer] | None = None,
    learner: TasteLearner | None = None,
    calibration: Callable[[str], ValueCalibration] = lambda model: ASSUMED,
) -> Selector:
    """The selector of this name; `valuer` makes the service of a value model, given `SelectorName.model`.

    `calibration` says how that is weighed beside a taste. `InvalidInput` for a name that is none, or that
    needs a `valuer` or a `learner` where there is none.
    """
    form = form or CandidateForm()
    parsed = SelectorName.parse(name).settled()
    if parsed.learns and learner is None:
        raise InvalidInput(f"selector {name!r} needs a CLIP that learns with it, and there is none here")
    if parsed.valued and valuer is None:
        raise InvalidInput(
            f"selector {name!r} needs a value model, and there is none here",
            f"known selectors: {', '.join(sorted(SELECTORS))}",
        )
    exploration = EXPLORATION if parsed.exploration is None else parsed.exploration
    own = valuer(parsed.model) if parsed.valued and valuer is not None else None
    if parsed.learns and learner is not None:
        if own is None:
            return TasteSelector(form, learner, exploration)
        return TasteValueSelector(form, learner, own, calibration(parsed.model), exploration)
    return SELECTORS[parsed.kind](form) if own is None else _VALUED[parsed.kind](form, own)
