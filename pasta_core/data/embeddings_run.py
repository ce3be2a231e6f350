"""Embedding what data sets hold: each image and each prompt once, in an order that never depends on stops."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from pasta_core.data.embeddings import text_hash
from pasta_core.data.embeddings_references import (
    UNREADABLE,
    ReferenceKeys,
    ReferenceShelf,
    reference_writing,
    remember,
)
from pasta_core.data.embeddings_shards import SHARD_ROWS, Header
from pasta_core.data.embeddings_writer import EmbeddingWriter, writing
from pasta_core.data.images import ImageReference, UnreadableImage
from pasta_core.data.records import Record, SessionRecord, Source, Tally, images_of
from pasta_core.domain import Embedding, Pixels

__all__ = ["EmbeddingJob", "EmbeddingProgress", "EmbeddingSummary", "Encoder", "embed_source", "prompt_of"]

CHUNK = 64
"""Items between two looks at whether to stop; a chunk's images are opened as they lie on the disk."""

T = TypeVar("T")


class Encoder(Protocol):
    """What embeds: CLIP, before normalisation; a row never depends on its neighbours."""

    @property
    def dimension(self) -> int: ...

    def embed_images(self, images: Sequence[Pixels]) -> Embedding:
        """Embed RGB images (h, w, 3); returns (n, d) float32."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts; returns (n, d) float32."""
        ...


@dataclass(frozen=True)
class EmbeddingProgress:
    """How far one kind (`image` or `text`) is: items looked at of all, and those that had to be embedded."""

    kind: str
    done: int
    total: int
    embedded: int
    per_second: float
    """Items looked at, since this run began with this kind."""
    seconds_left: float | None


@dataclass
class EmbeddingSummary:
    """What a run did, and whether it was stopped before its end."""

    images: int = 0
    """Distinct references looked at."""
    texts: int = 0
    embedded_images: int = 0
    embedded_texts: int = 0
    unreadable: int = 0
    dropped: int = 0
    """Rows of damaged shards, to be embedded again."""
    stopped: bool = False


@dataclass(frozen=True)
class EmbeddingJob:
    """Where a run's rows go, under which identity, and how it is watched and stopped."""

    root: Path
    encoder: Encoder
    fingerprint: str
    dtype: str
    clock: Callable[[], float]
    """Seconds, from any origin."""
    report: Callable[[EmbeddingProgress], None] = lambda progress: None
    stop: Callable[[], bool] = lambda: False
    waiting: Callable[[], None] = lambda: None
    """Called when another run writes to the same shelf, which is then waited for."""
    verify: bool = True
    """Read every shard that is there, and redo those whose bytes have changed."""
    flush_seconds: float = 30.0
    """How much work a kill may cost."""
    shard_rows: int = SHARD_ROWS


def embed_source(job: EmbeddingJob, source: Source, split: str | None, tally: Tally) -> EmbeddingSummary:
    """Embed every image and initial prompt of a source's split (None: all) that the store lacks.

    A stop keeps what was embedded; the same call goes on from there, to the same files as without the stop.
    Raises `InvalidInput` for a source that cannot be read, `StorageError` for a store that cannot be written.
    """
    summary = EmbeddingSummary()
    names, texts = _survey(source.records(split, tally))
    summary.images, summary.texts = len(names), len(texts)
    with _writing(job, "text", summary) as text_writer:
        _embed_texts(job, text_writer, texts, summary)
    if summary.stopped:
        return summary
    with _writing(job, "image", summary) as writer, reference_writing(job.root, job.waiting) as references:
        _embed_images(job, source, split, _ImageRun(writer, references, summary), len(names))
    return summary


def prompt_of(record: Record) -> str:
    """The text that a record's images are scored against: in sessions the initial prompt (§5.1)."""
    return record.initial_prompt if isinstance(record, SessionRecord) else record.prompt


def _survey(records: Iterable[Record]) -> tuple[set[int], list[str]]:
    """The hashes of distinct image names, and the distinct prompts in the order they come."""
    names: set[int] = set()
    texts: dict[str, None] = {}
    for record in records:
        texts.setdefault(prompt_of(record))
        names.update(hash(reference.name) for reference in images_of(record))
    return names, list(texts)


def _writing(
    job: EmbeddingJob, kind: str, summary: EmbeddingSummary
) -> AbstractContextManager[EmbeddingWriter]:
    def dropped(rows: int) -> None:
        summary.dropped += rows

    header = Header(job.fingerprint, kind, job.encoder.dimension, job.dtype, job.shard_rows)
    return writing(job.root, header, job.waiting, dropped, job.verify)


class _Pace:
    """Reports progress, and says when work should be made durable."""

    def __init__(self, job: EmbeddingJob, kind: str, total: int) -> None:
        self._job = job
        self._kind = kind
        self._total = total
        self._began = self._flushed = job.clock()

    def tell(self, done: int, embedded: int) -> None:
        elapsed = self._job.clock() - self._began
        rate = done / elapsed if elapsed > 0 else 0.0
        left = (self._total - done) / rate if rate > 0 else None
        self._job.report(EmbeddingProgress(self._kind, done, self._total, embedded, rate, left))

    def flush_due(self) -> bool:
        now = self._job.clock()
        if now - self._flushed < self._job.flush_seconds:
            return False
        self._flushed = now
        return True


def _embed_texts(
    job: EmbeddingJob, writer: EmbeddingWriter, texts: Sequence[str], summary: EmbeddingSummary
) -> None:
    pace, done = _Pace(job, "text", len(texts)), 0
    for chunk in _chunks(texts):
        if job.stop():
            summary.stopped = True
            break
        lacking = {key: _sayable(text) for text in chunk if (key := text_hash(text)) not in writer}
        if lacking:
            writer.add(list(lacking), job.encoder.embed_texts(list(lacking.values())))
            summary.embedded_texts += len(lacking)
        done += len(chunk)
        if pace.flush_due():
            writer.flush()
        pace.tell(done, summary.embedded_texts)


def _sayable(text: str) -> str:
    """Half of a surrogate pair, which JSON can hold and no tokenizer takes, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


@dataclass
class _ImageRun:
    writer: EmbeddingWriter
    references: EmbeddingWriter
    summary: EmbeddingSummary
    done: int = 0
    seen: set[int] = field(default_factory=set)

    def flush(self) -> None:
        # A remembered reference always has its row, so the rows come first.
        self.writer.flush()
        self.references.flush()

    def fresh(self, records: Iterable[Record], encoder: str) -> Iterator[ImageReference]:
        """Every reference the first time it comes, without the embedding that another encoder made."""
        for record in records:
            ours = isinstance(record, SessionRecord) and record.encoder == encoder
            for reference in images_of(record):
                mark = hash(reference.name)
                if mark not in self.seen:
                    self.seen.add(mark)
                    foreign = reference.embedding is not None and not ours
                    yield replace(reference, embedding=None) if foreign else reference


def _embed_images(job: EmbeddingJob, source: Source, split: str | None, run: _ImageRun, total: int) -> None:
    pace, keys, known = _Pace(job, "image", total), ReferenceKeys(source), ReferenceShelf(job.root)
    for chunk in _chunks(run.fresh(source.records(split), job.fingerprint)):
        if job.stop():
            run.summary.stopped = True
            break
        _embed_chunk(job, run, chunk, keys, known)
        run.done += len(chunk)
        if pace.flush_due():
            run.flush()
        pace.tell(run.done, run.summary.embedded_images)
    run.flush()


def _embed_chunk(
    job: EmbeddingJob,
    run: _ImageRun,
    chunk: Sequence[ImageReference],
    keys: ReferenceKeys,
    known: ReferenceShelf,
) -> None:
    """Embed what a chunk holds and the store lacks, and remember what each reference was."""
    names = [keys(reference) for reference in chunk]
    contents = [
        reference.known_sha256 or content
        for reference, content in zip(chunk, known.contents(names), strict=True)
    ]
    lacking: dict[str, Pixels] = {}
    carried: dict[str, Embedding] = {}
    for place in sorted(range(len(chunk)), key=lambda place: chunk[place].locality):
        content = contents[place]
        if content is not None and (content == UNREADABLE or content in run.writer):
            continue
        embedding = chunk[place].embedding
        if content is not None and embedding is not None and len(embedding) == run.writer.dimension:
            carried.setdefault(content, embedding)
            continue
        try:
            pixels = chunk[place].open()
        except UnreadableImage:
            contents[place] = UNREADABLE
            continue
        found = _content(pixels)
        # Pixels that are not what the data set says they are would be found under its hash.
        contents[place] = found if content in (None, found) else UNREADABLE
        if contents[place] == found and found not in run.writer:
            lacking.setdefault(found, pixels)
    if carried:
        run.writer.add(list(carried), np.stack(list(carried.values())))
    if lacking:
        run.writer.add(list(lacking), job.encoder.embed_images(list(lacking.values())))
        run.summary.embedded_images += len(lacking)
    known_now = [content or UNREADABLE for content in contents]
    run.summary.unreadable += known_now.count(UNREADABLE)
    remember(run.references, names, known_now)


def _content(pixels: Pixels) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
