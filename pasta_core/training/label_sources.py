"""From named data sets to labels: what the first phase may learn from, and the embeddings it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pasta_core.data.embeddings import EmbeddingStore, text_hash
from pasta_core.data.embeddings_references import ImageRows
from pasta_core.data.records import Kind, Record, Source, Tally
from pasta_core.data.sources import SourceSpec, open_source
from pasta_core.errors import InvalidInput
from pasta_core.training.embedded_labels import EmbeddedLabels, LabelCollector, Rows
from pasta_core.training.session_labels import SessionSet, session_set

__all__ = [
    "SEQUENTIAL_KINDS",
    "TRAIN",
    "check_kinds",
    "open_for_training",
    "read_labels",
    "read_session_labels",
]

SEQUENTIAL_KINDS = frozenset({Kind.PASTA, Kind.TRAJECTORIES, Kind.SESSIONS})
"""Kinds that hold sessions: the second phase's."""

TRAIN = "train"
"""The only split that is ever trained on."""


def check_kinds(data: Sequence[SourceSpec], finetune: Sequence[SourceSpec]) -> None:
    """Refuse a data set given to the phase that cannot read it (`InvalidInput`)."""
    for spec in data:
        if spec.kind in SEQUENTIAL_KINDS:
            raise InvalidInput(f"{spec} holds sessions", f"give it as --finetune {spec}")
    for spec in finetune:
        if spec.kind not in SEQUENTIAL_KINDS:
            raise InvalidInput(f"{spec} holds no sessions", f"give it as --data {spec}")


def open_for_training(spec: SourceSpec, assets: Path) -> Source:
    """Open a data set that has a split to train on; another is `InvalidInput`."""
    source = open_source(spec, assets)
    if TRAIN not in source.splits:
        found = ", ".join(source.splits) or "none"
        raise InvalidInput(f"{spec} has no train split (it has {found})", "choose another data set")
    return source


def read_labels(
    specs: Sequence[SourceSpec],
    store: EmbeddingStore,
    assets: Path,
    seed: int,
    note: Callable[[str], None] = lambda text: None,
) -> EmbeddedLabels:
    """Read the training labels of several data sets, whose images and prompts the store holds.

    Labels without an embedding are left out, and `note` is told how many.
    """
    collector = LabelCollector(store.images, store.texts)
    texts = store.texts

    def text_rows(prompts: Sequence[str]) -> Rows:
        return texts.find([text_hash(prompt) for prompt in prompts])

    for spec in specs:
        source, tally, before = open_for_training(spec, assets), Tally(), collector.without_embedding
        collector.add(source.records(TRAIN, tally), ImageRows(store, source), text_rows, spec.weight)
        for why, count in tally.skipped.items():
            note(f"{spec}: skipped {count:,} ({why})")
        lost = collector.without_embedding - before
        if lost:
            note(f"{spec}: left out {lost:,} labels whose image or prompt is not embedded")
    return collector.finish(seed)


def read_session_labels(
    specs: Sequence[SourceSpec], assets: Path, note: Callable[[str], None] = lambda text: None
) -> SessionSet:
    """Read the training sessions of several data sets; `note` is told what was left out."""

    def records() -> Iterator[Record]:
        for spec in specs:
            tally = Tally()
            for record in open_for_training(spec, assets).records(TRAIN, tally):
                yield replace(record, weight=record.weight * spec.weight)
            for why, count in tally.skipped.items():
                note(f"{spec}: skipped {count:,} ({why})")

    found = session_set(records())
    if found.absent:
        note(f"left out {found.absent:,} turns whose pictures are not in the data")
    if found.other_shapes:
        shape = f"{found.columns} columns of {found.images} images"
        note(f"left out {found.other_shapes:,} turns that do not show {shape}")
    return found
