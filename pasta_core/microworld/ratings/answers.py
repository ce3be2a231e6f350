"""What raters answer, by fixed thresholds on their true utilities.

The thresholds were set once, on 480 drawn pictures of 60 prompts (utility 2.7 +- 1.5; two pictures of one
prompt differ by less than 0.25 in a tenth of cases), before any user model was trained. Answers are noisy as
choices are: by the Gumbel noise that Eq. 4's softmax amounts to, with the rater's lapses.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Comparison, Pixels, TurnRating
from pasta_core.microworld.captions import parse_attributes
from pasta_core.microworld.critiques import sample_critique
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.raters import VALUES, PlantedRater, RaterSheet, Sight
from pasta_core.microworld.ratings.pool import Pool
from pasta_core.seeds import derive_seed

__all__ = ["Panel", "Verdicts", "critic_turn", "rate_columns", "rate_turn", "wished_critique"]

Array = npt.NDArray[np.float64]

TIE = 0.25
"""Two pictures whose utilities differ by less are a tie for their rater."""

LOWEST_RATING, RATING_STEP = -0.4, 0.78
"""Utilities below the first are rated 1, and one more for each step above it, up to 10."""

SATISFIED = (0.9, 2.1, 3.3, 4.5)
"""The utilities from which satisfaction is 2, 3, 4 and 5."""

CRITICS = 0.2
"""Share of sessions with a critique (App. B.1: about 20 %)."""

SAME = 0.3
"""The images of two turns are about the same if their chosen columns differ by less."""


@dataclass(frozen=True)
class Panel:
    """A pool as the eyes see it: what every rater's utilities are computed from."""

    pool: Pool
    sheet: RaterSheet
    eyes: Eyes

    @cached_property
    def _sight(self) -> Sight:
        shape = self.pool.pixels.shape
        parts = [self.sheet.look(self.eyes, prompt) for prompt in self.pool.pixels]
        assert len(parts) == shape[0]
        return Sight(
            np.concatenate([part.values for part in parts]), np.concatenate([part.unusual for part in parts])
        )

    def _of(self, prompt: int) -> Sight:
        size = self.pool.per_prompt
        rows = slice(prompt * size, (prompt + 1) * size)
        return Sight(self._sight.values[rows], self._sight.unusual[rows])

    def utilities(self, rater: PlantedRater, prompt: int) -> Array:
        """The rater's true utility (per prompt,) of each picture of a prompt."""
        sight = self._of(prompt)
        fidelity = self.sheet.population["fidelity"] * rater.fidelity(self.pool.prompts[prompt], sight)
        return np.asarray(fidelity + rater.said_taste(sight) + rater.unsaid_taste(sight))


class Verdicts:
    """One rater's answers, drawn in the order they are asked for from one seed."""

    def __init__(self, rater: PlantedRater, seed: int) -> None:
        self._rater = rater
        self._rng = np.random.default_rng(
            derive_seed(seed, "verdicts", rater.archetype.name, rater.individual)
        )
        self._temperature = rater.sheet.population["choice_temperature"]
        self._lapse = rater.sheet.population["lapse"]

    def prefer(self, first: float, second: float) -> float:
        """The label of a pair: 1 where the first is preferred, 0 the second, 0.5 for a tie."""
        if abs(first - second) < TIE and self._rng.random() >= self._lapse:
            return 0.5
        choice = self._rater.choose_among(np.array([first, second]), int(self._rng.integers(2**32)))
        return float(choice.column == 0)

    def rank(self, utilities: Array) -> tuple[int, ...]:
        """The rank of each picture, 1 = best, without ties; a lapse ranks blindly."""
        if self._rng.random() < self._lapse:
            order = self._rng.permutation(len(utilities))
        else:
            order = np.argsort(-self._felt(utilities), kind="stable")
        ranks = np.empty(len(utilities), np.int64)
        ranks[order] = np.arange(1, len(utilities) + 1)
        return tuple(int(rank) for rank in ranks)

    def rate(self, utility: float) -> int:
        """A rating from 1 to 10."""
        if self._rng.random() < self._lapse:
            return int(self._rng.integers(1, 11))
        felt = float(self._felt(np.array([utility]))[0])
        return int(np.clip(2 + np.floor((felt - LOWEST_RATING) / RATING_STEP), 1, 10))

    def choose(self, utilities: Array) -> int:
        """A column by Eq. 4."""
        return self._rater.choose_among(utilities, int(self._rng.integers(2**32))).column

    def _felt(self, utilities: Array) -> Array:
        noise = self._rng.gumbel(size=len(utilities)) - np.euler_gamma
        return np.asarray(utilities + self._temperature * noise)


def rate_turn(
    verdicts: Verdicts, utilities: Array, before: float | None, faithful: Sequence[float]
) -> TurnRating:
    """The evaluation phase's answers (App. B.2) about one turn.

    `utilities` (L,) are its columns', `before` that of the column preferred in the turn before (None on turn
    1), `faithful` (L,) the share of the initial prompt that each column shows.
    """
    preferred = verdicts.choose(utilities)
    gain = None if before is None else float(utilities[preferred]) - before
    loyal = faithful[preferred] >= max(faithful) - 0.1
    return TurnRating(
        preferred=preferred,
        column_scores=tuple(_satisfaction(float(utility)) for utility in utilities),
        score=_satisfaction(float(np.mean(utilities))),
        comparison=None if gain is None else _comparison(gain),
        rationale="it is closest to what I asked for" if loyal else "I like how it looks",
    )


def rate_columns(
    verdicts: Verdicts,
    rater: PlantedRater,
    prompt: str,
    columns: Sequence[Sequence[Pixels]],
    before: float | None,
) -> tuple[TurnRating, float]:
    """The rating of a turn by its pictures, and the utility of the preferred column.

    `columns[l][m]` is a picture (height, width, 3); `before` as in `rate_turn`.
    """
    utilities = rater.column_utilities(prompt, columns)
    sights = [rater.sheet.look(rater.eyes, np.stack(column)) for column in columns]
    faithful = [float(rater.fidelity(prompt, sight).mean()) for sight in sights]
    rating = rate_turn(verdicts, utilities, before, faithful)
    return rating, float(utilities[rating.preferred])


def critic_turn(seed: int) -> int:
    """The turn whose choice carries a critique in the session with this seed; 0 in most sessions."""
    rng = random.Random(derive_seed(seed, "critic"))
    return rng.randrange(1, 5) if rng.random() < CRITICS else 0


def wished_critique(rater: PlantedRater, prompt: str, seed: int) -> str:
    """A critique of what `prompt` shows, asking for what the archetype likes; "" if none comes to mind."""
    rng = random.Random(seed)
    said = parse_attributes(prompt)
    liked = {value for value, taste in rater.archetype.attributes.items() if taste > 0}
    for _ in range(40):
        text, effect = sample_critique(rng, said)
        if effect.needed and effect.values <= liked & VALUES.keys():
            return text
    return ""


def _satisfaction(utility: float) -> int:
    return 1 + sum(utility >= edge for edge in SATISFIED)


def _comparison(gain: float) -> Comparison:
    if abs(gain) < SAME:
        return Comparison.SAME
    return Comparison.BETTER if gain > 0 else Comparison.WORSE
