"""What runs inside Ray's processes: one model each, asked as a worker asks it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pasta_core.agent.requests import WriteRequest
from pasta_core.errors import PastaError
from pasta_core.settings import Profile

if TYPE_CHECKING:
    from pasta_core.agent.slot_writer import SlotWriter
    from pasta_core.domain import Candidate, Pixels
    from pasta_core.painter.diffusers_painter import DiffusersPainter
    from pasta_core.users.clip import ClipEncoder

__all__ = ["PaintingActor", "WritingActor"]


class PaintingActor:
    """A painter with its CLIP encoder, in a process of its own."""

    _painter: DiffusersPainter
    _clip: ClipEncoder

    def __init__(self, profile: str, device: str, pass_size: int) -> None:
        self._asked = (profile, device, pass_size)

    def ready(self) -> bool:
        """Load the models; raises what is wrong with them, which a constructor could not tell."""
        profile, device, pass_size = self._asked
        models = _environment()
        from pasta_core.painter.diffusers_painter import DiffusersPainter
        from pasta_core.paths import locate
        from pasta_core.users.clip import ClipEncoder

        found = models(profile)
        painter = replace(found.painter, pass_size=pass_size)
        cache = locate(os.environ).cache
        self._painter = DiffusersPainter.load(painter, device, lanes=1, cache=cache, exact=True)
        self._clip = ClipEncoder.load(found.clip.model, device)
        return True

    def paint(self, prompts: list[str], seeds: list[list[int]]) -> list[tuple[int, int, Any, Any]]:
        """Columns, indices, pixels and embeddings of all images."""
        found = []
        for batch in self._painter.paint(prompts, seeds):
            embeddings = self._clip.embed_images([pixels for _, _, pixels in batch])
            found += [(*job, embedding) for job, embedding in zip(batch, embeddings, strict=True)]
        return found

    def embed_texts(self, texts: list[str]) -> Any:
        """CLIP's text embeddings."""
        return self._clip.embed_texts(texts)


class WritingActor:
    """A language model in a process of its own: an abort inside llama.cpp costs its calls alone.

    It takes as many calls at a time as the profile has slots.
    """

    _pump: _Pump

    def __init__(self, profile: str) -> None:
        self._profile = profile

    def ready(self) -> bool:
        """Load the model; raises what is wrong with it, which a constructor could not tell."""
        self._pump = _Pump(_environment()(self._profile))
        return True

    def write(
        self, request: dict[str, Any], pictures: Mapping[str, Pixels]
    ) -> tuple[list[tuple[str, str]], list[str]]:
        """The candidates of one request, and what a person should read of it; a writer that sees is shown
        `pictures` (`agent.pictures`)."""
        asked = self._pump.ask(WriteRequest.from_json(request), pictures)
        written = asked.answer.result()
        return [(candidate.prompt, candidate.category) for candidate in written], asked.notes


@dataclass(frozen=True)
class _Asked:
    """A request that waits, and its answer to be."""

    request: WriteRequest
    pictures: Mapping[str, Pixels]
    answer: Future[tuple[Candidate, ...]] = field(default_factory=Future)
    notes: list[str] = field(default_factory=list)


class _Pump:
    """The thread that a language model may be used from, or those of a server, and the line before it."""

    def __init__(self, profile: Profile) -> None:
        self._waiting: SimpleQueue[_Asked] = SimpleQueue()
        writer = profile.writer
        threads = 1
        if writer.slots > 1 and not writer.url:
            from pasta_core.agent.slot_writer import SlotWriter

            slots = SlotWriter(writer, writer.slots, gpu=False)
            work = lambda: self._side_by_side(slots, writer.slots)  # noqa: E731
        else:
            from pasta_core.agent.writer import open_writer

            alone = open_writer(writer, os.environ.get("PASTA_WRITER_KEY", ""), gpu=False)
            work = lambda: self._one_by_one(alone.write)  # noqa: E731
            # a server is asked for as many texts at a time
            threads = writer.slots if writer.url else 1
        for _ in range(threads):
            threading.Thread(target=work, name="writer", daemon=True).start()

    def ask(self, request: WriteRequest, pictures: Mapping[str, Pixels]) -> _Asked:
        """Have a request written; its notes are whole when it has its answer."""
        asked = _Asked(request, pictures)
        self._waiting.put(asked)
        return asked

    def _one_by_one(self, write: Callable[..., tuple[Candidate, ...]]) -> None:
        while True:
            asked = self._waiting.get()
            try:
                written = write(
                    asked.request,
                    lambda: False,
                    lambda done, total: None,
                    pictures=asked.pictures,
                    note=asked.notes.append,
                )
                asked.answer.set_result(written)
            except Exception as error:
                # whoever waits is told, and the thread serves the next
                asked.answer.set_exception(error)

    def _side_by_side(self, writer: SlotWriter, slots: int) -> None:
        while True:
            while writer.free == slots or (writer.free and not self._waiting.empty()):
                # as in a worker, texts side by side are written without pictures
                asked = self._waiting.get()

                def finished(
                    outcome: tuple[Candidate, ...] | PastaError, answer: Future[Any] = asked.answer
                ) -> None:
                    if isinstance(outcome, PastaError):
                        answer.set_exception(outcome)
                    else:
                        answer.set_result(outcome)

                heard = asked.notes.append
                writer.begin(asked.request, lambda: False, lambda done, total: None, finished, heard)
            writer.advance()


def _environment() -> Callable[[str], Profile]:
    """Prepare an actor's process; returns how to load a profile there."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    import torch

    from pasta_core.paths import locate
    from pasta_core.profiles import load_profile

    torch.set_num_threads(1)
    return lambda name: load_profile(name, locate(os.environ))
