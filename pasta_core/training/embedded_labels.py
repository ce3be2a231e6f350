"""Labels as arrays of row numbers into embedding tables: what the first phase reads instead of images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pasta_core.data.images import ImageReference
from pasta_core.data.records import Pair, Ranking, Rating, Record
from pasta_core.seeds import derive_seed

__all__ = ["ArrayTable", "EmbeddedLabels", "LabelCollector", "VectorTable"]

Rows = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float32]
T = TypeVar("T")

_CHUNK = 4096
_WEIGHT, _MASS = 4, 5
"""Where a label's weight and mass stand among its columns."""


class VectorTable(Protocol):
    """Embeddings by row number, such as a shelf of the embedding store."""

    @property
    def dimension(self) -> int: ...

    def __len__(self) -> int: ...

    def gather(self, rows: npt.ArrayLike) -> npt.NDArray[Any]:
        """The vectors (n, d) of row numbers (n,), float32."""
        ...


class ArrayTable:
    """A table in an array (n, d), float16 or float32, in memory or mapped."""

    def __init__(self, vectors: npt.NDArray[Any]) -> None:
        self._vectors = vectors

    @property
    def dimension(self) -> int:
        return int(self._vectors.shape[1])

    def __len__(self) -> int:
        return len(self._vectors)

    def gather(self, rows: npt.ArrayLike) -> npt.NDArray[Any]:
        return self._vectors[np.asarray(rows, np.int64)].astype(np.float32)


@dataclass(frozen=True, eq=False)
class EmbeddedLabels:
    """Labels (n,) sorted by the rater who gave them; group i holds labels `starts[i]` to `starts[i + 1]`.

    `second` is -1 for a rating. `value` is the preference for `first` (1, 0, 0.5 for a tie) or the rating in
    [0, 1]. Within a group the order is random, so that any stretch of it is a fair sample.
    """

    images: VectorTable
    texts: VectorTable
    first: Rows
    second: Rows
    text: Rows
    value: Reals
    weight: Reals
    """Factor of a label's loss; never of the posterior."""
    mass: Reals
    """How much a label counts in the mean that its loss is part of: its weight without its source's; the mean
    over a source is 1."""
    starts: Rows

    def __len__(self) -> int:
        return len(self.first)

    @property
    def groups(self) -> int:
        return len(self.starts) - 1

    @property
    def ratings(self) -> int:
        return int((self.second < 0).sum())

    def of_groups(self, groups: Rows) -> EmbeddedLabels:
        """The labels of some groups, in their order."""
        lengths = np.diff(self.starts)[groups]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(self.starts[groups] - starts[:-1], lengths) + np.arange(starts[-1])
        return EmbeddedLabels(
            self.images,
            self.texts,
            self.first[rows],
            self.second[rows],
            self.text[rows],
            self.value[rows],
            self.weight[rows],
            self.mass[rows],
            starts,
        )

    def split(self, share: float, most: int, seed: int) -> tuple[EmbeddedLabels, EmbeddedLabels]:
        """Training and held-out labels: a share of the groups, at most so many, with two labels or more."""
        eligible = np.flatnonzero(np.diff(self.starts) > 1)
        count = min(most, math.ceil(share * self.groups), len(eligible), self.groups - 1)
        rng = np.random.default_rng(derive_seed(seed, "held out"))
        chosen = np.sort(rng.choice(eligible, count, replace=False))
        others = np.setdiff1d(np.arange(self.groups), chosen)
        return self.of_groups(others), self.of_groups(chosen)


class RowFinder(Protocol):
    """Finds the image rows of references, -1 where one was not embedded."""

    def __call__(self, references: Sequence[ImageReference], /) -> Rows: ...


class TextFinder(Protocol):
    """Finds the text rows of prompts, -1 where one was not embedded."""

    def __call__(self, texts: Sequence[str], /) -> Rows: ...


@dataclass
class LabelCollector:
    """Gathers labels from any number of sources into `EmbeddedLabels`.

    Rankings become pairs (ties 0.5); the averaged ranking of a list is left out where its raters' own are
    there. Sessions are not read here: their labels are of columns (D.3).
    """

    images: VectorTable
    texts: VectorTable
    without_embedding: int = 0
    """Labels left out because the store lacks an image or a prompt, or the image cannot be read."""
    _columns: list[tuple[npt.NDArray[Any], ...]] = field(default_factory=list)
    _groups: dict[tuple[int, str], int] = field(default_factory=dict)
    _sources: int = 0

    def add(
        self, records: Iterable[Record], image_rows: RowFinder, text_rows: TextFinder, weight: float = 1.0
    ) -> None:
        """Add the labels of one source; `weight` multiplies each record's.

        What a source's records weigh is brought to a mean of 1: Pick-a-Pic weighs a label by one over its
        prompt's, HPD by 1, and the loss, normalised over both, would else hardly hear Pick-a-Pic.
        """
        begun = len(self._columns)
        ranked: set[str] = set()
        averaged: list[Ranking] = []
        source, self._sources = self._sources, self._sources + 1

        def labels() -> Iterator[_Label]:
            for record in records:
                if isinstance(record, Ranking) and record.averaged:
                    averaged.append(record)
                    continue
                if isinstance(record, Ranking):
                    ranked.add(record.item)
                yield from _labels_of(record)
            for record in averaged:
                if record.item not in ranked:
                    yield from _labels_of(record)

        for chunk in _chunks(labels()):
            self._add_chunk(chunk, source, image_rows, text_rows, weight)
        self._to_mean_one(begun)

    def _to_mean_one(self, begun: int) -> None:
        masses = [column[_MASS] for column in self._columns[begun:]]
        total, count = sum(float(mass.sum(dtype=np.float64)) for mass in masses), sum(map(len, masses))
        if total <= 0:
            return
        for columns in self._columns[begun:]:
            for place in (_WEIGHT, _MASS):
                columns[place][:] *= np.float32(count / total)

    def _add_chunk(
        self,
        chunk: Sequence[_Label],
        source: int,
        image_rows: RowFinder,
        text_rows: TextFinder,
        weight: float,
    ) -> None:
        first = image_rows([label.first for label in chunk])
        paired = [place for place, label in enumerate(chunk) if label.second is not None]
        second = np.full(len(chunk), -1, np.int64)
        second[paired] = image_rows([label.second for label in chunk if label.second is not None])
        is_pair = np.zeros(len(chunk), np.bool_)
        is_pair[paired] = True
        text = text_rows([label.prompt for label in chunk])
        there = (first >= 0) & (text >= 0) & (~is_pair | (second >= 0))
        self.without_embedding += int((~there).sum())
        group = np.array([self._group(source, label.group) for label in chunk], np.int64)
        value = np.array([label.value for label in chunk], np.float32)
        mass = np.array([label.weight for label in chunk], np.float32)
        columns = (first, second, text, value, np.float32(weight) * mass, mass, group)
        self._columns.append(tuple(column[there] for column in columns))

    def _group(self, source: int, name: str) -> int:
        return self._groups.setdefault((source, name), len(self._groups))

    def finish(self, seed: int = 0) -> EmbeddedLabels:
        """Everything that was added, sorted by group and shuffled within it."""
        none = (np.zeros(0, np.int64),) * 3 + (np.zeros(0, np.float32),) * 3 + (np.zeros(0, np.int64),)
        first, second, text, value, weight, mass, group = (
            np.concatenate(parts) for parts in zip(none, *self._columns, strict=True)
        )
        shuffled = np.random.default_rng(derive_seed(seed, "label order")).permutation(len(first))
        order = shuffled[np.argsort(group[shuffled], kind="stable")]
        _, lengths = np.unique(group, return_counts=True)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return EmbeddedLabels(
            self.images,
            self.texts,
            first[order],
            second[order],
            text[order],
            value[order],
            weight[order],
            mass[order],
            starts,
        )


@dataclass(frozen=True)
class _Label:
    prompt: str
    first: ImageReference
    second: ImageReference | None
    value: float
    group: str
    weight: float


def _labels_of(record: Record) -> Iterator[_Label]:
    match record:
        case Pair():
            first, second = record.images
            yield _Label(record.prompt, first, second, record.label, record.group, record.weight)
        case Rating():
            yield _Label(record.prompt, record.image, None, record.value, record.group, record.weight)
        case Ranking():
            for one, other in combinations(range(len(record.images)), 2):
                value = 0.5 * (1 + np.sign(record.ranks[other] - record.ranks[one]))
                yield _Label(
                    record.prompt,
                    record.images[one],
                    record.images[other],
                    float(value),
                    record.group,
                    record.weight,
                )


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
