"""What could be known of planted raters: their own utilities, and their archetypes from their labels.

A user model on the microworld's ratings is measured between K = 1 and an oracle that knows each rater's true
utility; its types are compared with those of a Bayes classifier that knows the archetypes and sees the same
labels. Both need the pictures, the eyes, and the truth that lies beside the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import atanh
from pathlib import Path

import numpy as np

from pasta_core.data.images import ImageReference, UnreadableImage
from pasta_core.data.records import Pair
from pasta_core.domain import Pixels
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.clusterings import adjusted_rand_index
from pasta_core.evaluation.pairs import TIE_WIDTH
from pasta_core.evaluation.preferences import Array, PairSeries, log_preferences, posterior
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.raters import PlantedRater, RaterSheet, Sight
from pasta_core.microworld.ratings.answers import TIE
from pasta_core.microworld.ratings.build import TRUTH
from pasta_core.microworld.ratings.population import Member, Population
from pasta_core.seeds import derive_seed

__all__ = [
    "TRUTH",
    "PlantedLabels",
    "Truth",
    "archetype_series",
    "bayes_archetypes",
    "label_log_likelihoods",
    "oracle_series",
    "planted_labels",
    "recovered_types",
    "type_recovery",
]

INDIVIDUALS = 4000
"""Sampled individuals, over whom the Bayes classifier averages; the same deviations for every archetype."""

_INDIVIDUALS_AT_ONCE = 500

_LEAST = 1e-3
"""A label keeps this probability under a sampled individual that rules it out: few would be left else."""

_PICTURES_AT_ONCE = 256

_SCALES = np.geomspace(0.25, 16, 61)


@dataclass(frozen=True)
class Truth:
    """Who the raters of a data set are."""

    population: Population
    members: Mapping[str, Member]
    """By the name that the data set gives them."""

    @classmethod
    def load(cls, folder: Path, assets: Path) -> Truth:
        """Read the truth beside a data set; `InvalidInput` where it is missing or made by other raters."""
        file = folder / TRUTH
        try:
            document = json.loads(file.read_bytes())
            members = {str(one["rater"]): _member(one) for one in document["raters"]}
            sha256, kind, seed = document["raters_sha256"], document["population"], document["seed"]
        except FileNotFoundError as error:
            raise InvalidInput(
                f"there is no {file}", "only 'pasta microworld ratings' knows who its raters are"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{file} is damaged", "write the data set again") from error
        sheet = RaterSheet.load(assets)
        if sheet.sha256 != sha256:
            raise InvalidInput(
                f"{file} was written by other planted raters ({sha256[:12]})", "write the data set again"
            )
        eyes = Eyes.load(assets / "micro" / "eyes")
        return cls(Population(sheet, eyes, tuple(members.values()), seed, kind), members)


def _member(entry: Mapping[str, object]) -> Member:
    weights = entry.get("weights")
    return Member(
        str(entry["archetype"]),
        int(str(entry["individual"])),
        str(entry["split"]),
        tuple(float(weight) for weight in weights) if isinstance(weights, list) else None,
    )


@dataclass(frozen=True, eq=False)
class PlantedLabels:
    """Pairs of known raters as the eyes see them, sorted by rater and time.

    Row i of `first` and `second` is pair i's two pictures, `fidelity` (n, 2) the share of the prompt each
    shows; `raters` names each pair's rater.
    """

    first: Sight
    second: Sight
    fidelity: Array
    labels: Array
    raters: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The raters, each once, in order."""
        return tuple(dict.fromkeys(self.raters))

    def differences(self, rater: PlantedRater) -> Array:
        """The true utility (n,) of the first picture less that of the second, as this rater sees them."""
        gain = self.fidelity[:, 0] - self.fidelity[:, 1]
        taste = [rater.said_taste(sight) + rater.unsaid_taste(sight) for sight in (self.first, self.second)]
        return np.asarray(rater.sheet.population["fidelity"] * gain + taste[0] - taste[1])


def planted_labels(truth: Truth, pairs: Iterable[Pair]) -> PlantedLabels:
    """Look at the pairs of raters who are known; one with a picture that cannot be read is left out."""
    known = [pair for pair in pairs if pair.rater in truth.members]
    looked = _looked(truth, [image for pair in known for image in pair.images])
    known = [pair for pair in known if all(image.name in looked for image in pair.images)]
    order = {name: place for place, name in enumerate(dict.fromkeys(pair.group for pair in known))}
    known.sort(key=lambda pair: (order[pair.group], pair.order))
    if not known:
        raise InvalidInput(
            "no rater of this split is a planted one", "measure on what planted raters labelled"
        )
    sights = [_stacked([looked[pair.images[side].name] for pair in known]) for side in (0, 1)]
    judge = truth.population.rater(truth.members[known[0].group])
    fidelity = np.array(
        [[judge.fidelity(pair.prompt, looked[image.name])[0] for image in pair.images] for pair in known]
    )
    return PlantedLabels(
        sights[0],
        sights[1],
        fidelity,
        np.array([pair.label for pair in known]),
        tuple(pair.group for pair in known),
    )


def _looked(truth: Truth, references: Sequence[ImageReference]) -> dict[str, Sight]:
    """What the eyes see (one row) in every readable picture, by its name."""
    opened: dict[str, Pixels] = {}
    for reference in {reference.name: reference for reference in references}.values():
        try:
            opened[reference.name] = reference.open()
        except UnreadableImage:
            continue
    names, seen = list(opened), {}
    for start in range(0, len(names), _PICTURES_AT_ONCE):
        part = names[start : start + _PICTURES_AT_ONCE]
        sight = truth.population.sheet.look(truth.population.eyes, np.stack([opened[name] for name in part]))
        for row, name in enumerate(part):
            seen[name] = Sight(sight.values[row : row + 1], sight.unusual[row : row + 1])
    return seen


def _stacked(sights: Sequence[Sight]) -> Sight:
    return Sight(
        np.concatenate([sight.values for sight in sights]),
        np.concatenate([sight.unusual for sight in sights]),
    )


def oracle_series(truth: Truth, labels: PlantedLabels) -> list[PairSeries]:
    """Each rater's pairs with one score, their own true utility: what `series_accuracy` can reach at most.

    The scores are scaled so that the rater's tie threshold lies at the 0.1 of §6.2: the oracle knows it.
    """
    scale = 2 * atanh(TIE_WIDTH) / TIE
    series = []
    for name in labels.names:
        rows = np.flatnonzero(np.array(labels.raters) == name)
        rater = truth.population.rater(truth.members[name])
        own = labels.differences(rater)[rows]
        series.append(PairSeries(name, own[:, None] * scale, labels.labels[rows]))
    return series


def archetype_series(truth: Truth, labels: PlantedLabels) -> list[PairSeries]:
    """Each rater's pairs with the true utilities of every archetype: what types can reach at most.

    A user model whose types are the archetypes themselves, equally frequent, has these scores. Individuals
    still differ from their archetype, which no number of types can know. The one thing that is not known, how
    utilities become scores, is the scale that makes these labels likeliest when archetypes are told.
    """
    archetypes = _archetypes(truth)
    utilities = np.stack([labels.differences(_typical(truth, one)) for one in archetypes], axis=1)
    own = [archetypes.index(truth.members[name].archetype) for name in labels.raters]
    told = utilities[np.arange(len(own)), own][:, None]
    scale = max(_SCALES, key=lambda scale: log_preferences(scale * told, labels.labels).sum())
    raters = np.array(labels.raters)
    return [
        PairSeries(name, scale * utilities[raters == name], labels.labels[raters == name])
        for name in labels.names
    ]


def label_log_likelihoods(
    differences: Array, labels: Array, population: Mapping[str, float], leaning: float | Array = 0.0
) -> Array:
    """log P(label) (..., n) of pairs with true utility differences (..., n), by the rule that raters follow.

    Utilities closer than `TIE` are a tie unless the rater lapses; else the choice is Eq. 4's, with lapses and
    the rater's leaning to the first place, in utility.
    """
    lapse, temperature = population["lapse"], population["choice_temperature"]
    near = np.abs(differences) < TIE
    towards_label = np.where(labels == 1, 1, -1) * (differences + leaning)
    chosen = (1 - lapse) / (1 + np.exp(-towards_label / temperature)) + lapse / 2
    chances = np.where(labels == 0.5, (1 - lapse) * near, np.where(near, lapse, 1.0) * chosen)
    return np.asarray(np.log(np.maximum(chances, _LEAST)))


def bayes_archetypes(
    truth: Truth, labels: PlantedLabels, individuals: int = INDIVIDUALS
) -> tuple[dict[str, str], Array]:
    """The likeliest archetype of each rater given all their labels, and the posteriors (raters, archetypes).

    The archetypes are those of the data set's raters, equally likely. A rater is an individual of one, whose
    tastes deviate from it as `raters.toml` says, so the likelihood of the labels is its mean over sampled
    deviations.
    """
    candidates = _archetypes(truth)
    typical = [labels.differences(_typical(truth, archetype)) for archetype in candidates]
    names = labels.names
    starts = [labels.raters.index(name) for name in names]
    evidence = np.full((len(names), len(candidates)), -np.inf)
    rng = np.random.default_rng(derive_seed(0, "sampled individuals"))
    for start in range(0, individuals, _INDIVIDUALS_AT_ONCE):
        count = min(_INDIVIDUALS_AT_ONCE, individuals - start)
        deviations, leanings = _deviations(truth.population.sheet, labels, count, rng)
        for column, mean in enumerate(typical):
            said = label_log_likelihoods(
                mean + deviations, labels.labels, truth.population.sheet.population, leanings
            )
            sums = np.add.reduceat(said, starts, axis=1)
            evidence[:, column] = np.logaddexp(evidence[:, column], np.logaddexp.reduce(sums))
    weights = np.exp(evidence - np.logaddexp.reduce(evidence, axis=1, keepdims=True))
    return {name: candidates[int(row.argmax())] for name, row in zip(names, weights, strict=True)}, weights


def _typical(truth: Truth, archetype: str) -> PlantedRater:
    """The individual of an archetype that does not deviate from it."""
    sheet = truth.population.sheet
    none = {"attribute_spread": 0.0, "statistic_spread": 0.0, "position_lean": 0.0}
    still = replace(sheet, population={**sheet.population, **none})
    return PlantedRater(still, sheet.named(archetype), 0, truth.population.eyes)


def _deviations(
    sheet: RaterSheet, labels: PlantedLabels, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """What sampled individuals add to each utility difference (count, n), and their leanings (count, 1)."""
    numbers = sheet.population
    values = labels.first.values - labels.second.values
    statistics = np.clip(labels.first.unusual, -3, 3) - np.clip(labels.second.unusual, -3, 3)
    tastes = rng.normal(0, numbers["attribute_spread"], (count, values.shape[1]))
    eyes = rng.normal(0, numbers["statistic_spread"], (count, statistics.shape[1]))
    leanings = rng.normal(0, numbers["position_lean"] * np.sqrt(2), (count, 1))
    return tastes @ values.T + eyes @ statistics.T, leanings


def _archetypes(truth: Truth) -> list[str]:
    if any(member.weights is not None for member in truth.members.values()):
        raise InvalidInput(
            "raters with a taste of their own have no archetype", "use --population archetypes"
        )
    return sorted({member.archetype for member in truth.members.values()})


def recovered_types(series: Iterable[PairSeries], prior: Array) -> dict[str, int]:
    """The likeliest type of each rater by a model's posterior, given all labels of the rater's series."""
    return {
        one.rater: int(posterior(prior, log_preferences(one.differences, one.labels)).argmax())
        for one in series
    }


def type_recovery(truth: Truth, found: Mapping[str, int | str]) -> float:
    """The adjusted Rand index of types found for raters and the archetypes that they are of."""
    names = list(found)
    return adjusted_rand_index(
        [found[name] for name in names], [truth.members[name].archetype for name in names]
    )
