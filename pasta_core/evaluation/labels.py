"""Labels of data sets as row numbers of an embedding store, and the same labels with a model's scores.

Rows are looked up once; any number of models can then score them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pasta_core.data.embeddings import EmbeddingShelf
from pasta_core.data.images import ImageReference
from pasta_core.data.records import Kind, Pair, Ranking, Record, SessionRecord, images_of
from pasta_core.domain import Comparison
from pasta_core.evaluation.preferences import (
    Array,
    PairSeries,
    PreferenceModel,
    ScoredRanking,
    ScoredSession,
    ScoredTurn,
)

__all__ = ["LabelRows", "RowPair", "RowRanking", "RowSession", "RowTurn", "Tables", "score_uses"]

Rows = npt.NDArray[np.int64]

_RECORDS_AT_ONCE = 512
_USES_AT_ONCE = 1024


class ImageFinder(Protocol):
    """Finds the rows (n,) of images, -1 where one was not embedded."""

    def __call__(self, references: Sequence[ImageReference], /) -> Rows: ...


class TextFinder(Protocol):
    """Finds the rows (n,) of texts, -1 where one was not embedded."""

    def __call__(self, texts: Sequence[str], /) -> Rows: ...


@dataclass(frozen=True)
class Tables:
    """The embeddings that row numbers point into."""

    images: EmbeddingShelf
    texts: EmbeddingShelf


@dataclass(frozen=True)
class RowPair:
    """A labelled pair; `first` and `second` number uses (an image scored for a prompt)."""

    group: str
    prompt: str
    first: int
    second: int
    label: float
    order: int


@dataclass(frozen=True)
class RowRanking:
    """A ranking; `uses` are its images, in the order of `ranks`."""

    kind: Kind
    item: str
    rater: str | None
    averaged: bool
    uses: tuple[int, ...]
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class RowTurn:
    """A turn; `columns[l]` are the uses of column l's images."""

    number: int
    columns: tuple[tuple[int, ...], ...]
    choice: int
    comparison: Comparison | None
    selected: int | None


@dataclass(frozen=True)
class RowSession:
    """A session's turns whose images were all embedded, oldest first."""

    group: str
    turns: tuple[RowTurn, ...]


@dataclass
class LabelRows:
    """Labels that grow source by source; a use is an image row and the row of the prompt it is scored for."""

    uses: dict[tuple[int, int], int] = field(default_factory=dict)
    sources: Counter[Kind] = field(default_factory=Counter)
    """How many sources of each kind were added."""
    pairs: list[RowPair] = field(default_factory=list)
    rankings: list[RowRanking] = field(default_factory=list)
    sessions: list[RowSession] = field(default_factory=list)
    left_out: int = 0
    """Labels (pairs, rankings, turns) with an image or a prompt that was not embedded or cannot be read."""
    references: dict[int, ImageReference] | None = None
    """A reference to each image row, where images are to be shown; None keeps none."""

    def add(
        self, kind: Kind, records: Iterable[Record], image_rows: ImageFinder, text_rows: TextFinder
    ) -> None:
        """Add Pick-a-Pic's pairs, rankings and sessions of one source; other labels have no metric.

        A rater of a second source is nobody of the first, whatever their names are: later ones are renamed,
        but for the first source of a kind whose names no other kind has.
        """
        first, number = not self.sources[kind], self.sources.total() + 1
        self.sources[kind] += 1

        def group(record: Record) -> str:
            unmistakable = first and record.group.startswith(f"{kind}:")
            return record.group if number == 1 or unmistakable else f"{record.group} of source {number}"

        iterator = iter(records)
        while chunk := list(islice(iterator, _RECORDS_AT_ONCE)):
            references = {reference.name: reference for record in chunk for reference in images_of(record)}
            images = dict(zip(references, image_rows(list(references.values())).tolist(), strict=True))
            if self.references is not None:
                for name, row in images.items():
                    self.references.setdefault(row, references[name])
            texts = text_rows([_prompt(record) for record in chunk]).tolist()
            for record, text in zip(chunk, texts, strict=True):
                self._add(kind, record, group(record), _Uses(self.uses, images, text))

    def _add(self, kind: Kind, record: Record, group: str, uses: _Uses) -> None:
        match record:
            case Pair() if kind == Kind.PICKAPIC:
                found = uses.of(record.images)
                if found is None:
                    self.left_out += 1
                    return
                first, second = found
                self.pairs.append(RowPair(group, record.prompt, first, second, record.label, record.order))
            case Ranking():
                found = uses.of(record.images)
                if found is None:
                    self.left_out += 1
                    return
                rater = None if record.averaged else group
                self.rankings.append(
                    RowRanking(kind, record.item, rater, record.averaged, found, record.ranks)
                )
            case SessionRecord():
                turns = tuple(self._turns(record, uses))
                if turns:
                    self.sessions.append(RowSession(group, turns))

    def _turns(self, record: SessionRecord, uses: _Uses) -> Iterator[RowTurn]:
        for turn in record.turns:
            columns = tuple(uses.of(column) for column in turn.columns)
            whole = tuple(column for column in columns if column)
            if len(whole) < len(columns) or not 0 <= turn.choice < len(columns):
                self.left_out += 1
                continue
            comparison = None if turn.rating is None else turn.rating.comparison
            again = turn.choice if turn.rating is None else turn.rating.preferred
            selected = again if 0 <= again < len(columns) else None
            yield RowTurn(turn.number, whole, turn.choice, comparison, selected)

    def series(self, scores: Array, by_prompt: bool = False) -> list[PairSeries]:
        """The pairs of each rater in the order of time, with scores (u, K) of all uses.

        `by_prompt` makes a series of one rater's pairs of one prompt, as §6.2 words it.
        """
        grouped: dict[tuple[str, str], list[RowPair]] = {}
        for pair in self.pairs:
            key = (pair.group, pair.prompt if by_prompt else "")
            grouped.setdefault(key, []).append(pair)
        return [
            _pair_series(rater, sorted(pairs, key=lambda pair: pair.order), scores)
            for (rater, _), pairs in grouped.items()
        ]

    def scored_rankings(self, scores: Array, kind: Kind, averaged: bool) -> list[ScoredRanking]:
        """The averaged rankings of a kind of data, or those of its annotators."""
        return [
            ScoredRanking(one.item, one.rater, scores[list(one.uses)], np.array(one.ranks, np.float64))
            for one in self.rankings
            if one.kind == kind and one.averaged == averaged
        ]

    def scored_sessions(self, scores: Array) -> list[ScoredSession]:
        """All sessions with the scores of their images."""
        return [
            ScoredSession(
                session.group,
                tuple(
                    ScoredTurn(
                        turn.number,
                        tuple(scores[list(column)] for column in turn.columns),
                        turn.choice,
                        turn.comparison,
                        turn.selected,
                    )
                    for turn in session.turns
                ),
            )
            for session in self.sessions
        ]


@dataclass(frozen=True)
class _Uses:
    """Numbers the uses of one record's images, whose rows are known."""

    numbers: dict[tuple[int, int], int]
    images: dict[str, int]
    text: int

    def of(self, references: Sequence[ImageReference]) -> tuple[int, ...] | None:
        """The use of each image; None where an image or the prompt was not embedded."""
        rows = [self.images[reference.name] for reference in references]
        if self.text < 0 or min(rows, default=-1) < 0:
            return None
        return tuple(self.numbers.setdefault((row, self.text), len(self.numbers)) for row in rows)


def score_uses(uses: Sequence[tuple[int, int]], tables: Tables, model: PreferenceModel) -> Array:
    """The scores (u, K) of uses (image row, text row), a few embeddings in memory at a time."""
    pairs = np.array(uses, np.int64).reshape(-1, 2)
    out = np.empty((len(pairs), len(model.prior)))
    for start in range(0, len(pairs), _USES_AT_ONCE):
        part = pairs[start : start + _USES_AT_ONCE]
        images, image_rows = np.unique(part[:, 0], return_inverse=True)
        texts, text_rows = np.unique(part[:, 1], return_inverse=True)
        out[start : start + len(part)] = model.scores(
            tables.images.gather(images), tables.texts.gather(texts), image_rows, text_rows
        )
    return out


def _prompt(record: Record) -> str:
    return record.initial_prompt if isinstance(record, SessionRecord) else record.prompt


def _pair_series(rater: str, pairs: Sequence[RowPair], scores: Array) -> PairSeries:
    first = scores[[pair.first for pair in pairs]]
    second = scores[[pair.second for pair in pairs]]
    return PairSeries(rater, first - second, np.array([pair.label for pair in pairs]))
