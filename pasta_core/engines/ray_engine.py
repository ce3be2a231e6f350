"""The engine of several machines: writers and painters are Ray actors, trajectories stay in this process.

Each actor holds one model and asks for what that needs (a GPU where the cluster has any, else a core), so a
machine takes as many of each stage as it has room for. The actors compute what a worker computes, at the same
batch shapes, so the shards have the same bytes as those of the local engine on the same type of machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pasta_core.agent.captions import Captioner, CaptionSheet
from pasta_core.agent.requests import WriteRequest
from pasta_core.domain import (
    Candidate,
    CandidateForm,
    Embedding,
    History,
    Image,
    PaintedImage,
    Painter,
    Pixels,
    Progress,
    Writer,
)
from pasta_core.engines.local import PASS_SIZE, LocalEngine, assembled, pass_size_of
from pasta_core.engines.ray_actors import PaintingActor, WritingActor
from pasta_core.engines.ray_pool import ActorPool
from pasta_core.engines.specs import UsersSpec
from pasta_core.errors import ModelUnavailable
from pasta_core.settings import Profile, SessionSettings

__all__ = ["RayCluster", "open_ray"]

AHEAD = 2
"""Calls with a painter at a time: the next one lies ready while one is painted."""


@dataclass(frozen=True)
class RayCluster:
    """Which cluster, and how many actors of each stage; 0 for as many as it has room for."""

    address: str | None = None
    """Of its head, "auto" for the one that runs here, None for a new one on this machine."""
    painters: int = 0
    writers: int = 0


class RayServices:
    """The pools as the services of an engine (`local.ModelServices`)."""

    def __init__(
        self,
        painters: ActorPool,
        writers: ActorPool,
        captions: CaptionSheet | None,
        picture_tokens: int = 0,
        on_note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._painters = painters
        self._writers = writers
        self._picture_tokens = picture_tokens
        self._on_note = on_note
        self._noted: set[str] = set()
        self._captioner = None if captions is None else Captioner(captions, self.embed_texts)

    @property
    def writer(self) -> Writer:
        return _RayWriter(self._writers, self._captioner, self._picture_tokens, self._note_once)

    @property
    def painter(self) -> Painter:
        return _RayPainter(self._painters)

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """CLIP's text embeddings before normalisation, (n, d)."""
        found: Embedding = await self._painters.call("embed_texts", list(texts))
        return found

    def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._on_note(text)


@dataclass(frozen=True)
class _RayWriter:
    pool: ActorPool
    captioner: Captioner | None
    picture_tokens: int
    """Of each contact sheet that the writer is shown, 0 for one that sees none (`worker.WorkerWriter`)."""
    on_note: Callable[[str], None]

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        caption = "" if self.captioner is None else await self.captioner.caption(history.initial_images)
        request = WriteRequest.from_history(history, form, max_words, seed, caption)
        pictures: dict[str, Pixels] = {}
        if self.picture_tokens:
            from pasta_core.agent.pictures import history_pictures

            pictures = await asyncio.to_thread(history_pictures, history, self.picture_tokens)
        written, notes = await self.pool.call("write", request.to_json(), pictures)
        for text in notes:
            self.on_note(text)
        return tuple(Candidate(prompt, category) for prompt, category in written)


@dataclass(frozen=True)
class _RayPainter:
    pool: ActorPool

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        painted = await self.pool.call("paint", list(prompts), [list(row) for row in seeds])
        for column, index, pixels, embedding in painted:
            yield PaintedImage(column, index, Image(seeds[column][index], pixels, embedding))


@asynccontextmanager
async def open_ray(
    cluster: RayCluster,
    profile: Profile,
    assets: Path,
    settings: SessionSettings,
    users: UsersSpec,
    at_once: int,
    on_note: Callable[[str], None],
) -> AsyncIterator[LocalEngine]:
    """Start the actors and load the users; all end with the block, and a cluster that was started here.

    Every machine needs this program and the profile's models. Raises `ModelUnavailable` without Ray, and
    what the models raise.
    """
    try:
        import ray
    except ImportError as error:
        raise ModelUnavailable("Ray is not installed", "install pasta-t2i[ray]") from error
    began_here = not ray.is_initialized()
    if began_here:
        ray.init(address=cluster.address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
    sheet = None if profile.captions is None else CaptionSheet.load(profile.captions)
    try:
        room = ray.cluster_resources()
        gpus, cpus = int(room.get("GPU", 0)), int(room.get("CPU", 1))
        count = cluster.painters or gpus or max(1, cpus // 2)
        device = "cuda" if gpus else "cpu"
        painting = ray.remote(PaintingActor).options(num_cpus=1, num_gpus=1 if gpus else 0)
        slots = profile.writer.slots
        writing = ray.remote(WritingActor).options(num_cpus=profile.writer.threads, max_concurrency=slots + 1)
        size = pass_size_of(profile)
        painters = ActorPool(lambda: painting.remote(profile.name, device, size), count, AHEAD, on_note)
        writers = ActorPool(
            lambda: writing.remote(profile.name),
            cluster.writers or max(1, (cpus - count) // (2 * profile.writer.threads)),
            slots,
            on_note,
        )
        try:
            seen = profile.writer.image_tokens if profile.writer.sees else 0
            services = RayServices(painters, writers, sheet, seen, on_note)
            in_flight = count * AHEAD
            async with assembled(
                services, profile, assets, settings, users, at_once, PASS_SIZE, in_flight
            ) as engine:
                yield engine
        finally:
            await painters.close()
            await writers.close()
    finally:
        if began_here:
            ray.shutdown()
