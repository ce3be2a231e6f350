"""Embedding data sets from the command line: rate, time left, and a stop that loses nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pasta_core.configuration import configure
from pasta_core.data.embeddings import EmbeddingStore, default_store, encoder_fingerprint
from pasta_core.data.embeddings_run import EmbeddingJob, EmbeddingProgress, EmbeddingSummary, embed_source
from pasta_core.data.records import Source, Tally
from pasta_core.data.sources import open_source, parse_source
from pasta_core.domain import Embedding, Pixels
from pasta_core.errors import Cancelled
from pasta_tui.console.output import Output
from pasta_tui.console.pace import time_left
from pasta_tui.console.stopping import StopRequest

if TYPE_CHECKING:
    from pasta_core.users.clip import ClipEncoder

__all__ = ["EncoderChoice", "Embedder", "embed_data"]

_SHOWN_EVERY = {True: 0.2, False: 20.0}
"""Seconds between two lines of progress: where a line can be rewritten, and where it cannot."""


@dataclass(frozen=True)
class EncoderChoice:
    """Which CLIP embeds, and where its rows lie."""

    folder: Path
    fingerprint: str
    store: Path
    dtype: str

    @classmethod
    def of(cls, profile: str | None, clip: Path | None, store: Path | None, dtype: str) -> EncoderChoice:
        """A CLIP folder, else that of a profile; the store is in the data directory unless named."""
        config = configure({"profile": profile}, os.environ, Path.cwd())
        folder = clip or config.profile.clip.model
        root = (store or default_store(config.paths.data)).expanduser().absolute()
        opened = EmbeddingStore(root, encoder_fingerprint(folder), dtype)
        return cls(folder, opened.encoder, root, opened.dtype)


class _LazyClip:
    """The encoder, loaded once something has to be embedded."""

    def __init__(self, choice: EncoderChoice, device: str | None, out: Output) -> None:
        self._choice = choice
        self._device = device
        self._out = out

    @cached_property
    def _clip(self) -> ClipEncoder:
        from pasta_core.evaluation.torch_model import usual_device
        from pasta_core.users.clip import ClipEncoder

        self._out.progress("loading CLIP")
        return ClipEncoder.load(self._choice.folder, self._device or usual_device())

    @cached_property
    def dimension(self) -> int:
        store = EmbeddingStore(self._choice.store, self._choice.fingerprint, self._choice.dtype)
        return store.texts.dimension or self._clip.dimension

    def embed_images(self, images: Sequence[Pixels]) -> Embedding:
        return self._clip.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Embedding:
        return self._clip.embed_texts(texts)


class Embedder:
    """Embeds sources one after the other with one CLIP; Ctrl-C raises `Cancelled` once work is kept."""

    def __init__(self, choice: EncoderChoice, device: str | None, out: Output, stop: StopRequest) -> None:
        self._choice = choice
        self._out = out
        self._stop = stop
        self._encoder = _LazyClip(choice, device, out)
        self._shown = float("-inf")
        self._verified = False

    def __call__(self, source: Source, split: str | None) -> EmbeddingSummary:
        """Embed what the store lacks of a source's split (None: of all)."""
        self._out.progress(f"looking through {source.kind}:{source.path}")
        tally = Tally()
        summary = embed_source(self._job(verify=not self._verified), source, split, tally)
        self._verified = True
        self._out.end_progress()
        if summary.dropped:
            self._out.note(f"{summary.dropped} rows were damaged on the disk and are embedded again")
        if tally.skipped:
            self._out.note(f"{sum(tally.skipped.values())} rows were left out; 'pasta data check' says why")
        if summary.stopped:
            raise Cancelled("stopped, and what was embedded is kept", "the same command goes on from there")
        return summary

    def _job(self, verify: bool) -> EmbeddingJob:
        return EmbeddingJob(
            self._choice.store,
            self._encoder,
            self._choice.fingerprint,
            self._choice.dtype,
            time.monotonic,
            self._show,
            self._stop,
            lambda: self._out.note("another run is embedding into this store: waiting for it"),
            verify,
        )

    def _show(self, progress: EmbeddingProgress) -> None:
        now, ended = time.monotonic(), progress.done == progress.total
        if now - self._shown < _SHOWN_EVERY[self._out.terminal.cursor] and not ended:
            return
        self._shown = now
        self._out.progress(_line(progress))


def embed_data(
    sources: Sequence[str],
    split: str | None,
    choice: Callable[[], EncoderChoice],
    device: str | None,
    as_json: bool,
) -> None:
    """Embed data sets; `Cancelled` where it was stopped."""
    out = Output(os.environ, as_json)
    specs = [parse_source(text) for text in sources]
    opened = [open_source(spec) for spec in specs]
    chosen = choice()
    with StopRequest() as stop:
        embed = Embedder(chosen, device, out, stop)
        summaries = [embed(source, split) for source in opened]
    if as_json:
        told = [
            {"source": str(spec), **asdict(summary)} for spec, summary in zip(specs, summaries, strict=True)
        ]
        for one in told:
            del one["stopped"]
        out.document({"store": str(chosen.store), "encoder": chosen.fingerprint, "sources": told})
    for spec, summary in zip(specs, summaries, strict=True):
        unreadable = f", {summary.unreadable:,} unreadable" if summary.unreadable else ""
        out.data(
            f"{spec}: {summary.images:,} images ({summary.embedded_images:,} new{unreadable}), "
            f"{summary.texts:,} prompts ({summary.embedded_texts:,} new)"
        )
    out.data(str(chosen.store))


def _line(progress: EmbeddingProgress) -> str:
    line = f"{progress.kind}s {progress.done:,}/{progress.total:,}  {progress.per_second:,.0f}/s"
    if progress.seconds_left is None or progress.done == progress.total:
        return line
    return f"{line}  {time_left(progress.seconds_left)} left"
