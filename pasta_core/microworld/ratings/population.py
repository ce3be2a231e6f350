"""Who labels: planted raters, each an individual of one split only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.raters import Archetype, PlantedRater, RaterSheet
from pasta_core.microworld.ratings.order import check_population
from pasta_core.seeds import derive_seed

__all__ = ["FIRST_INDIVIDUAL", "SPLITS", "Member", "Population"]

SPLITS = ("train", "validation", "test")

FIRST_INDIVIDUAL: Mapping[str, int] = {"train": 0, "validation": 20_000, "test": 30_000}
"""Each split's individuals count from here, so that no rater is ever in two splits, whoever draws them."""

SHARE = {"train": 1.0, "validation": 0.125, "test": 0.25}
"""Raters of each split for every rater of the train split."""


@dataclass(frozen=True)
class Member:
    """One rater of a data set: the name of its archetype, its number, and its split.

    `weights` are the shares of the archetypes in a continuous taste, else None.
    """

    archetype: str
    individual: int
    split: str
    weights: tuple[float, ...] | None = None

    @property
    def spec(self) -> str:
        """Its specification, `planted:TYPE:INDIVIDUAL`."""
        return f"planted:{self.archetype}:{self.individual}"


@dataclass(frozen=True)
class Population:
    """The raters of a data set, and how to make them."""

    sheet: RaterSheet
    eyes: Eyes
    members: tuple[Member, ...]
    seed: int
    kind: str

    @classmethod
    def sample(cls, kind: str, raters: int, test_raters: int | None, seed: int, assets: Path) -> Population:
        """Take so many training raters and their share of others, the archetypes in turn.

        The same arguments always name the same individuals; `seed` only decides continuous tastes here.
        """
        check_population(kind)
        sheet = RaterSheet.load(assets)
        counts = {split: max(1, round(raters * share)) for split, share in SHARE.items()}
        counts["test"] = counts["test"] if test_raters is None else test_raters
        archetypes = [a.name for a in sheet.archetypes if a.unseen == (kind == "unseen")]
        members = []
        for split, count in counts.items():
            for number in range(count):
                turn, place = divmod(number, len(archetypes))
                individual = FIRST_INDIVIDUAL[split] + turn
                if kind != "continuous":
                    members.append(Member(archetypes[place], individual, split))
                    continue
                rng = np.random.default_rng(derive_seed(seed, "taste", split, number))
                weights = tuple(float(weight) for weight in rng.dirichlet(np.full(len(archetypes), 0.5)))
                members.append(Member("continuous", FIRST_INDIVIDUAL[split] + number, split, weights))
        eyes = Eyes.load(assets / "micro" / "eyes")
        return cls(sheet, eyes, tuple(members), seed, kind)

    def of(self, split: str) -> tuple[Member, ...]:
        """The members of one split, in order."""
        return tuple(member for member in self.members if member.split == split)

    def rater(self, member: Member) -> PlantedRater:
        """The planted rater that a member is."""
        if member.weights is None:
            archetype = self.sheet.named(member.archetype)
        else:
            archetype = blended(self.sheet.seen, member.weights)
        return PlantedRater(self.sheet, archetype, member.individual, self.eyes)

    def truth(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Who is who: for every member (by its specification) what the data set calls it."""
        return {
            "raters_sha256": self.sheet.sha256,
            "population": self.kind,
            "seed": self.seed,
            "archetypes": [archetype.name for archetype in self.sheet.archetypes],
            "raters": [
                {
                    "rater": names[member.spec],
                    "spec": member.spec,
                    "archetype": member.archetype,
                    "individual": member.individual,
                    "split": member.split,
                    **({} if member.weights is None else {"weights": list(member.weights)}),
                }
                for member in self.members
            ],
        }


def blended(archetypes: Sequence[Archetype], weights: Sequence[float]) -> Archetype:
    """An archetype whose tastes are a weighted mean of others'."""
    attributes: dict[str, float] = {}
    statistics: dict[str, float] = {}
    interactions: list[tuple[str, str, float]] = []
    for archetype, weight in zip(archetypes, weights, strict=True):
        for value, taste in archetype.attributes.items():
            attributes[value] = attributes.get(value, 0.0) + weight * taste
        for name, taste in archetype.statistics.items():
            statistics[name] = statistics.get(name, 0.0) + weight * taste
        interactions.extend(
            (first, second, weight * taste) for first, second, taste in archetype.interactions
        )
    return Archetype("continuous", "a taste between all", False, attributes, tuple(interactions), statistics)
