"""The planted raters: individuals with known tastes that play the humans (`assets/micro/raters.toml`)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Pixels
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.microworld.captions import parse_attributes, parse_idea
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.grammar import ATTRIBUTES, IDEAS
from pasta_core.microworld.rater_names import choices
from pasta_core.microworld.statistics import STATISTICS, pixel_statistics
from pasta_core.seeds import derive_seed

__all__ = ["PlantedRater", "RaterChoice", "RaterSheet", "Sight"]

Array = npt.NDArray[np.float64]

VALUES: Mapping[str, int] = {
    value: position
    for position, value in enumerate(value for values in ATTRIBUTES.values() for value in values)
}
"""Every attribute value's place in one long vector."""

DEFAULT_INDIVIDUAL = 0


@dataclass(frozen=True)
class RaterChoice:
    """What a rater chose (0-based) and the true utility of every column, which no real user can tell."""

    column: int
    utilities: tuple[float, ...]


@dataclass(frozen=True)
class Sight:
    """What eyes see in n pictures: `values` (n, 47) probabilities, `unusual` (n, 4) standard scores."""

    values: Array
    unusual: Array


@dataclass(frozen=True)
class Archetype:
    """A kind of taste, from the raters' file."""

    name: str
    summary: str
    unseen: bool
    attributes: Mapping[str, float]
    interactions: tuple[tuple[str, str, float], ...]
    statistics: Mapping[str, float]


@dataclass(frozen=True)
class RaterSheet:
    """The raters' file: the population's numbers, the archetypes, and what statistics are usual for a scene.

    `usual` (48, 4) predicts the statistics from the seen values and a constant; `spread` (4,) is the standard
    deviation of what it leaves.
    """

    population: Mapping[str, float]
    common: Archetype
    archetypes: tuple[Archetype, ...]
    usual: Array
    spread: Array
    sha256: str

    @classmethod
    def load(cls, assets: Path) -> RaterSheet:
        """Read `micro/raters.toml`; a missing or damaged file is `ModelUnavailable`."""
        path = assets / "micro" / "raters.toml"
        try:
            raw = path.read_bytes()
            tables = tomllib.loads(raw.decode())
            usual = np.array([tables["usual"][name] for name in (*VALUES, "constant")], np.float64)
            spread = np.array([tables["spread"][name] for name in STATISTICS], np.float64)
            common = _archetype("common", tables["common"])
            archetypes = tuple(_archetype(name, table) for name, table in tables["archetypes"].items())
        except (OSError, KeyError, ValueError) as error:
            raise ModelUnavailable(
                f"the raters' file {path} is missing or damaged", "reinstall pasta"
            ) from error
        return cls(tables["population"], common, archetypes, usual, spread, hashlib.sha256(raw).hexdigest())

    @property
    def seen(self) -> tuple[Archetype, ...]:
        """The archetypes that training may meet, in the order of their numbers."""
        return tuple(archetype for archetype in self.archetypes if not archetype.unseen)

    def named(self, name: str) -> Archetype:
        """The archetype with this name or number; `InvalidInput` names them all."""
        if name.isdecimal() and int(name) < len(self.seen):
            return self.seen[int(name)]
        for archetype in self.archetypes:
            if archetype.name == name.lower():
                return archetype
        seen = [archetype.name for archetype in self.seen]
        unseen = [archetype.name for archetype in self.archetypes if archetype.unseen]
        raise InvalidInput(f'there is no planted rater "{name}"', choices(seen, unseen))

    def look(self, eyes: Eyes, pictures: Pixels) -> Sight:
        """See pictures (n, height, width, 3) through the frozen eyes."""
        values = np.concatenate(eyes.probabilities(pictures), axis=-1).astype(np.float64)
        usual = values @ self.usual[:-1] + self.usual[-1]
        return Sight(values, (pixel_statistics(pictures) - usual) / self.spread)


def _archetype(name: str, table: Mapping[str, Any]) -> Archetype:
    interactions = tuple((str(a), str(b), float(weight)) for a, b, weight in table["interactions"])
    for value in (*table["attributes"], *(value for pair in interactions for value in pair[:2])):
        if value not in VALUES:
            raise ValueError(f"{name} has a taste for the unknown value {value!r}")
    return Archetype(
        name,
        str(table["summary"]),
        bool(table.get("unseen", False)),
        dict(table["attributes"]),
        interactions,
        dict(table["statistics"]),
    )


@dataclass(frozen=True)
class PlantedRater:
    """One individual: an archetype's taste with its own variation, lapses and a little position bias."""

    sheet: RaterSheet
    archetype: Archetype
    individual: int
    eyes: Eyes

    @classmethod
    def load(cls, spec: str, assets: Path, eyes: Eyes | None = None) -> PlantedRater:
        """Make the rater that `planted:TYPE[:INDIVIDUAL]` names, TYPE an archetype's name or number."""
        sheet = RaterSheet.load(assets)
        kind, _, rest = spec.partition(":")
        name, _, individual = rest.partition(":")
        if kind != "planted" or not name or (individual and not individual.isdecimal()):
            raise InvalidInput(f"{spec!r} is not a rater", "write planted:TYPE or planted:TYPE:INDIVIDUAL")
        archetype = sheet.named(name)
        number = int(individual) if individual else DEFAULT_INDIVIDUAL
        return cls(sheet, archetype, number, eyes or Eyes.load(assets / "micro" / "eyes"))

    @cached_property
    def _own(self) -> tuple[Array, Array, Array]:
        """This individual's tastes over values (47,) and statistics (4,), and its leaning to places (16,)."""
        numbers = self.sheet.population
        rng = np.random.default_rng(derive_seed(0, "planted rater", self.archetype.name, self.individual))
        values = rng.normal(0, numbers["attribute_spread"], len(VALUES))
        statistics = rng.normal(0, numbers["statistic_spread"], len(STATISTICS))
        places = rng.normal(0, numbers["position_lean"], 16)
        for taste in (self.sheet.common, self.archetype):
            for value, weight in taste.attributes.items():
                values[VALUES[value]] += weight
            for index, name in enumerate(STATISTICS):
                statistics[index] += taste.statistics.get(name, 0.0)
        return values, statistics, places

    def said_taste(self, sight: Sight) -> Array:
        """The part of the taste (n,) that captions can tell: over attribute values and their interactions."""
        values, _, _ = self._own
        pairs = sum(
            (
                weight * sight.values[:, VALUES[first]] * sight.values[:, VALUES[second]]
                for first, second, weight in (*self.sheet.common.interactions, *self.archetype.interactions)
            ),
            np.zeros(len(sight.values)),
        )
        return np.asarray(sight.values @ values + pairs)

    def unsaid_taste(self, sight: Sight) -> Array:
        """The part of the taste (n,) that no caption tells: over unusual pixel statistics."""
        _, statistics, _ = self._own
        return np.asarray(np.clip(sight.unusual, -3, 3) @ statistics)

    def fidelity(self, initial_prompt: str, sight: Sight) -> Array:
        """The share (n,) of the initial prompt that the eyes see; an idea counts by what it is tied to."""
        wanted = [[value] for value in parse_attributes(initial_prompt).known().values()]
        idea = parse_idea(initial_prompt)
        if idea is not None:
            wanted.extend(list(values) for values in IDEAS[idea].values())
        if not wanted:
            return np.zeros(len(sight.values))
        shares = [sight.values[:, [VALUES[value] for value in values]].sum(-1) for values in wanted]
        return np.asarray(np.mean(shares, axis=0))

    def image_utilities(self, initial_prompt: str, pictures: Pixels) -> Array:
        """The true utility (n,) of each picture (n, height, width, 3) for the initial prompt."""
        sight = self.sheet.look(self.eyes, pictures)
        fidelity = self.sheet.population["fidelity"] * self.fidelity(initial_prompt, sight)
        return np.asarray(fidelity + self.said_taste(sight) + self.unsaid_taste(sight))

    def column_utilities(self, initial_prompt: str, columns: Sequence[Sequence[Pixels]]) -> Array:
        """The true utility (L,) of each column: the softmax-weighted mean of its pictures' (Eq. 3)."""
        lengths = [len(column) for column in columns]
        pictures = np.stack([picture for column in columns for picture in column])
        flat = self.image_utilities(initial_prompt, pictures)
        parts = np.split(flat, np.cumsum(lengths)[:-1])
        return np.array(
            [_softmax(part / self.sheet.population["column_temperature"]) @ part for part in parts]
        )

    def choose(self, initial_prompt: str, columns: Sequence[Sequence[Pixels]], seed: int) -> RaterChoice:
        """Choose a column by Eq. 4 on the true utilities, with lapses and a leaning to places.

        `columns[l][m]` is a picture (height, width, 3); the same seed repeats the choice.
        """
        return self.choose_among(self.column_utilities(initial_prompt, columns), seed)

    def choose_among(self, utilities: Array, seed: int) -> RaterChoice:
        """Choose among columns of these true utilities (L,)."""
        numbers = self.sheet.population
        rng = np.random.default_rng(derive_seed(seed, "rater's choice"))
        places = np.resize(self._own[2], len(utilities))
        chances = _softmax((utilities + places) / numbers["choice_temperature"])
        chances = (1 - numbers["lapse"]) * chances + numbers["lapse"] / len(utilities)
        column = int(rng.choice(len(utilities), p=chances / chances.sum()))
        return RaterChoice(column, tuple(float(utility) for utility in utilities))


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())
