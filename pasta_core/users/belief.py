"""How a belief came about: what every pick moved and by how much, and how well it was foreseen.

A fold like the belief itself (`taste.believe`): nothing here is stored. Every step compares the beliefs
before and after one pick, in one space, so that the moves of all steps add up to the belief after less that
before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pasta_core.users.belief_traits import Trait, word_traits
from pasta_core.users.taste import Belief, believe
from pasta_core.users.taste_fit import fit_space
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import NO_TASTE, KeptTaste
from pasta_core.users.taste_report import certainty
from pasta_core.users.taste_space import FIDELITY, TasteSpace

__all__ = ["BeliefAccount", "BeliefStep", "Shift", "account_for", "entropy"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """What is thought of something before and after a pick, in nats of Eq. 4's choice.

    `columns` of the session had it; none for what every column has more or less of.
    """

    words: str
    before: float
    after: float
    columns: int = 0

    @property
    def moved(self) -> float:
        """By how much it gained, or lost where negative."""
        return self.after - self.before


@dataclass(frozen=True)
class BeliefStep:
    """One pick of the session: what was expected, and what it moved.

    `foreseen` is the chance that the belief before it gave to what was chosen, `guess` that of guessing.
    `shifts` are of the traits of the session's columns, the greatest gain first. `taken` is of the column
    that was taken, against its slate, or of the whole slate that was refused, against the initial prompt's
    own picture; a tie has none. `likeness`, `pictures` and `prompts` say what of it moved: nearness to the
    initial prompt, images and text. They add up to `taken.moved`. `certainty` and `types` are those before
    and after.
    """

    turn: int
    chosen: tuple[int, ...]
    columns: int
    critique: str
    foreseen: float
    guess: float
    taken: Shift | None
    likeness: float
    pictures: float
    prompts: float
    shifts: tuple[Shift, ...]
    certainty: tuple[float, float]
    types: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class BeliefAccount:
    """What is believed now, and the session's picks one after another.

    `kept` picks of other sessions count as much as `weight` new ones. `types` (K,) are the probabilities of a
    user model's types, empty where there is none; `certainty` is the share of the prior's doubt that all
    picks have removed, 0 to 1. If it is `blind` its steps have no shifts, as these are of the prompts' words.
    `beliefs` are those after 0, 1, ... picks of the session.
    """

    kept: int
    weight: float
    certainty: float
    types: tuple[float, ...]
    steps: tuple[BeliefStep, ...]
    blind: bool = False
    beliefs: tuple[Belief, ...] = field(default=(), repr=False, compare=False)

    @property
    def picks(self) -> int:
        """How many choices it rests on."""
        return self.kept + len(self.steps)


def account_for(
    own: Sequence[Pick],
    kept: KeptTaste = NO_TASTE,
    space: TasteSpace | None = None,
    blind: bool = False,
    known: Sequence[Belief] = (),
) -> BeliefAccount:
    """Account for a session's own picks, in the order they were made, after those kept from other sessions.

    Without a space it takes the one that the slates of all picks teach, whatever was chosen in them. A
    `blind` account tells no word of a prompt. `known` are the first of its `beliefs` where an earlier account
    has them.
    """
    everything = (*own, *kept.picks)
    space = space or fit_space("", everything)
    weights = np.concatenate([np.ones(len(own)), np.asarray(kept.weights, np.float64)])
    later = len(own)
    # own picks come first, as they do where candidates are judged: sums have one order
    beliefs = list(known[: later + 1])
    for n in range(len(beliefs), later + 1):
        counted = np.concatenate([weights[:n], weights[later:]])
        beliefs.append(believe(space, (*own[:n], *kept.picks), counted))
    traits = () if blind else word_traits(space, own)
    sure = [certainty(space, belief) for belief in beliefs]
    return BeliefAccount(
        kept=len(kept.picks),
        weight=float(sum(kept.weights)),
        certainty=sure[-1],
        types=_types(beliefs[-1]),
        steps=tuple(
            _step(space, traits, pick, (beliefs[n], beliefs[n + 1]), (sure[n], sure[n + 1]))
            for n, pick in enumerate(own)
        ),
        blind=blind,
        beliefs=tuple(beliefs),
    )


def entropy(types: Sequence[float]) -> float:
    """How undecided a posterior over types is, in bits: 0 for one type, log2 K where all are alike."""
    return -sum(share * math.log2(share) for share in types if share > 0)


def _step(
    space: TasteSpace,
    traits: Sequence[Trait],
    pick: Pick,
    beliefs: tuple[Belief, Belief],
    sure: tuple[float, float],
) -> BeliefStep:
    before, after = beliefs[0].mean, beliefs[1].mean
    features = space.features(pick)
    taken, parts = None, np.zeros(3)
    if len(pick.chosen) < 2:
        of_slate = features.mean(0)
        what = f"column {pick.chosen[0] + 1}" if pick.chosen else "the slate"
        relative = features[pick.chosen[0]] - of_slate if pick.chosen else of_slate
        taken = Shift(what, float(relative @ before), float(relative @ after), len(pick.chosen))
        parts = _parts(space, relative * (after - before))
    shifts = [
        Shift(it.words, float(it.direction @ before), float(it.direction @ after), it.columns)
        for it in traits
    ]
    return BeliefStep(
        turn=pick.turn,
        chosen=pick.chosen,
        columns=pick.columns,
        critique=pick.critique,
        foreseen=_foreseen(features @ before, pick),
        guess=max(len(pick.chosen), 1) / (pick.columns + pick.outside),
        taken=taken,
        likeness=float(parts[0]),
        pictures=float(parts[1]),
        prompts=float(parts[2]),
        shifts=tuple(sorted(shifts, key=lambda it: (-it.moved, it.words))),
        certainty=sure,
        types=(_types(beliefs[0]), _types(beliefs[1])),
    )


def _parts(space: TasteSpace, terms: Array) -> Array:
    """The sums (3,) of what likeness, pictures and prompts add."""
    painted = space.painted
    return np.array([terms[FIDELITY], terms[FIDELITY + 1 : painted].sum(), terms[painted:].sum()])


def _foreseen(utilities: Array, pick: Pick) -> float:
    """The chance of what was chosen (Eq. 4); that of a tie is the sum of its columns'."""
    # "none of these" is the initial prompt's own picture, whose features are 0
    alternatives = np.append(utilities, [0.0] * pick.outside)
    chances = np.exp(alternatives - alternatives.max())
    chances /= chances.sum()
    return float(chances[list(pick.chosen) or [-1]].sum())


def _types(belief: Belief) -> tuple[float, ...]:
    return tuple(map(float, belief.types)) if len(belief.types) > 1 else ()
