"""A supervised worker, which offers its models to a rollout."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

from pasta_core.agent.captions import Captioner, CaptionSheet
from pasta_core.domain import Embedding, Pixels, Progress
from pasta_core.errors import InvalidInput, WorkerError
from pasta_core.worker.client import WorkerClient, result_of
from pasta_core.worker.frames import Array, Frame
from pasta_core.worker.launch import Launched, launch
from pasta_core.worker.protocol import Hello
from pasta_core.worker.remote_models import (
    WorkerPainter,
    WorkerRater,
    WorkerStudyRater,
    WorkerValuer,
    WorkerWriter,
)

__all__ = ["Worker", "local_command"]

HANDSHAKE = 30.0
"""Seconds until a worker must have greeted; a remote machine may have to be woken by ssh."""


def local_command(profile: str, *options: str) -> list[str]:
    """The command of a worker on this machine, in this environment."""
    return [sys.executable, "-m", "pasta_core.worker", "--profile", profile, *options]


class Worker:
    """Keeps one worker alive: started on first use, and again after it has died.

    The call during which it dies raises a retryable `WorkerError`; whoever made it may make it again.
    `on_note` gets the lines a person should read: a worker that was restarted, and what models have to say,
    such as a prompt that is too long, each line of theirs once, whatever processes they live in.
    With `captions` the writer is told what the initial prompt's images show, with `picture_tokens` it sees
    the history's: a contact sheet of so many tokens for each prompt. A worker that serves another profile
    than `profile` is refused (`InvalidInput`), unless that is None. With `previews` its painter shows
    images while they are painted, where the profile has a model for that.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        on_note: Callable[[str], None] = lambda text: None,
        handshake: float = HANDSHAKE,
        captions: CaptionSheet | None = None,
        profile: str | None = None,
        previews: bool = False,
        picture_tokens: int = 0,
    ) -> None:
        self._profile = profile
        self._previews = previews
        self._command = list(command)
        self._log = log
        self._on_note = on_note
        self._noted: set[str] = set()
        self._handshake = handshake
        self._picture_tokens = picture_tokens
        self._captioner = None if captions is None else Captioner(captions, self.embed_texts)
        self._client: WorkerClient | None = None
        self._launched: Launched | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.close()

    @property
    def writer(self) -> WorkerWriter:
        """The candidate generator (`domain.Writer`)."""
        return WorkerWriter(self, self._captioner, self._picture_tokens)

    @property
    def painter(self) -> WorkerPainter:
        """The text-to-image model (`domain.Painter`)."""
        return WorkerPainter(self, self._previews)

    def valuer(self, model: str) -> WorkerValuer:
        """The value model in the folder `model` (its profile's where that is empty), as `agent.Valuer`."""
        return WorkerValuer(self, model)

    def rater(self, spec: str, seed: int) -> WorkerRater:
        """The planted rater `spec` as the user of a session with this seed (`domain.User`)."""
        return WorkerRater(self, spec, seed)

    def study_rater(self, spec: str, seed: int) -> WorkerStudyRater:
        """The planted rater `spec` in a study, which criticises now and then and answers questions."""
        return WorkerStudyRater(self, spec, seed)

    def launch(self) -> Launched:
        """Start its process ahead of everything else, for `take_over`; needs no event loop."""
        return launch(self._command, self._log)

    def take_over(self, launched: Launched) -> None:
        """Use a process that was started ahead, if it is what would be started here and nobody has it."""
        same = (launched.command, launched.log) == (tuple(self._command), self._log)
        if same and not launched.taken:
            launched.taken = True
            self._launched = launched

    async def start(self) -> Hello:
        """Start it now rather than at the first call, so that it loads while a person still types."""
        return (await self._living()).hello

    async def close(self) -> None:
        """End it, within a tenth of a second."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        elif self._launched is not None:
            self._launched.kill()

    def kill(self) -> None:
        """End it and everything it started this instant, without waiting; nothing can be asked any more."""
        self._closed = True
        if self._client is not None:
            self._client.kill()
        elif self._launched is not None:
            self._launched.kill()

    async def status(self) -> dict[str, Any]:
        """What the worker has loaded, in words, with its process ids; answered also while it computes."""
        frame = await (await self._living()).ask("status", {})
        return dict(frame.data["data"])

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """CLIP's text embeddings before normalisation, shape (n, d)."""
        return (await self.ask("embed", {"texts": list(texts)})).arrays["texts"]

    async def embed_images(self, images: Sequence[Pixels]) -> Embedding:
        """CLIP's image embeddings before normalisation, shape (n, d)."""
        arrays = {str(number): pixels for number, pixels in enumerate(images)}
        return (await self.ask("embed", {}, arrays)).arrays["images"]

    async def ask(
        self, verb: str, args: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
    ) -> Frame:
        """Make one call and return its result."""
        return await result_of(verb, self.call(verb, args, arrays))

    async def call(
        self,
        verb: str,
        args: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
        progress: Progress = lambda done, total: None,
    ) -> AsyncGenerator[Frame, None]:
        """Make one call: progress and notes go where they belong, items and the result are yielded."""
        client = await self._living()
        async with aclosing(client.call(verb, args, arrays)) as replies:
            async for reply in replies:
                data = reply.data["data"]
                match reply.data["kind"]:
                    case "progress":
                        progress(int(data["done"]), int(data["total"]))
                    case "note":
                        self._note_once(str(data["text"]))
                    case _:
                        yield reply

    def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._on_note(text)

    async def _living(self) -> WorkerClient:
        async with self._starting:
            if self._closed:
                raise WorkerError("the worker is closed")
            if self._client is not None and not self._client.alive:
                dead, self._client = self._client, None
                await dead.close()
                self._on_note("the worker was restarted")
            if self._client is None:
                self._launched = self._launched or self.launch()
                try:
                    client = await WorkerClient.adopt(self._launched, self._handshake)
                finally:
                    self._launched = None
                await self._accept(client)
                self._client = client
            return self._client

    async def _accept(self, client: WorkerClient) -> None:
        serves = client.hello.profile
        if self._profile not in (None, serves):
            await client.close()
            raise InvalidInput(
                f"the worker serves profile {serves}, the session needs {self._profile}",
                f"start it with --profile {self._profile}",
            )
