"""A writer that runs on a server which a person has named (`writer.url`); see `chat_server`.

The server draws the tokens, so the same request gives the same candidates only as far as it keeps to seeds.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from PIL import Image as Pillow

from pasta_core.agent.answers import Gathering, lines_written
from pasta_core.agent.chat_server import ChatServer, Kind, Refused, Served
from pasta_core.agent.grammar import answer_grammar
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.templates import WriterTemplate, split_pictures
from pasta_core.domain import Candidate, Pixels, Progress
from pasta_core.errors import Cancelled, ModelUnavailable
from pasta_core.seeds import derive_seed
from pasta_core.settings import WriterProfile

__all__ = ["ANSWERS", "ServedWriter"]

ANSWERS = 4
"""How many answers are asked for before the writer gives up."""

_TOKENS_PER_WORD = 3
_LETTERS_PER_TOKEN = 16
"""More than any text has: an answer that is longer has no end."""

_GLANCE = 0.05
"""Seconds between two looks at whether the answer is still wanted."""

T = TypeVar("T")


class ServedWriter:
    """Writes with the model behind `profile.url`; may be used from several threads at once.

    `ModelUnavailable` where the profile's template is missing or broken; the server is asked when a text is.
    """

    def __init__(self, profile: WriterProfile, key: str) -> None:
        self._profile = profile
        self._key = key
        self._template = WriterTemplate.load(profile.template)
        self._served: Served | None = None
        self._forced = True

    def write(
        self,
        request: WriteRequest,
        should_stop: Callable[[], bool],
        progress: Progress,
        *,
        pictures: Mapping[str, Pixels] | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> tuple[Candidate, ...]:
        """Write `request.form.total` different candidates, ordered by category.

        Prompts that don't fit are asked for again. Raises `Cancelled` soon after `should_stop`, and
        `ModelUnavailable` where the server is away or does not answer in the template's form.
        """
        seen = pictures or {} if self._profile.sees else {}
        writing = self._write(request, progress, seen, note)
        return asyncio.run(_unless_stopped(writing, should_stop))

    def close(self) -> None:
        """Nothing is held between two texts."""

    async def _write(
        self,
        request: WriteRequest,
        progress: Progress,
        pictures: Mapping[str, Pixels],
        note: Callable[[str], None],
    ) -> tuple[Candidate, ...]:
        total = request.form.total
        progress(0, total)
        gathered = Gathering(request)
        async with ChatServer(self._profile.url, self._key, self._profile.timeout) as server:
            if self._served is None:
                self._served = await server.look(self._profile.served)
            for attempt in range(ANSWERS):
                before = len(gathered.candidates)

                def heard(text: str, before: int = before) -> None:
                    progress(min(total, before + lines_written(text)), total)

                seed = derive_seed(request.seed, "answer", attempt)
                gathered.add(await self._answer(server, request, pictures, seed, heard, note))
                if gathered.done:
                    progress(total, total)
                    return gathered.candidates
        raise ModelUnavailable(
            f"the model behind {server.url} wrote {len(gathered.candidates)} of {total} prompts in the "
            f"template's form, in {ANSWERS} tries",
            "use a larger instruct model, or a server that takes grammars (llama-server, vLLM)",
        )

    async def _answer(
        self,
        server: ChatServer,
        request: WriteRequest,
        pictures: Mapping[str, Pixels],
        seed: int,
        heard: Callable[[str], None],
        note: Callable[[str], None],
    ) -> str:
        """One answer; where the server takes no grammar or no history as long, it is asked for less."""
        words = request.form.total * (request.max_words + 1) + request.form.categories * 6
        tokens = words * _TOKENS_PER_WORD
        skipped = 0
        while True:
            body = self._body(request, pictures, skipped, seed) | {"max_tokens": tokens}
            try:
                return await server.write(body, tokens * _LETTERS_PER_TOKEN, heard)
            except Refused as error:
                if "context" in error.text.lower() and skipped < len(request.turns):
                    skipped += 1
                    note("the writer's server forgets the oldest turns: its context holds no more")
                elif error.status in (400, 422) and self._forced:
                    self._forced = False
                    note("the writer's server takes no grammar, so its answers are read as they come")
                else:
                    raise ModelUnavailable(error.message, error.hint) from error

    def _body(
        self, request: WriteRequest, pictures: Mapping[str, Pixels], skipped: int, seed: int
    ) -> dict[str, Any]:
        """A chat request, with App. E.2's sampling."""
        assert self._served is not None
        kept = replace(request, turns=request.turns[skipped:])
        text = self._template.render(kept, pictures, skipped)
        body: dict[str, Any] = {
            "model": self._served.model,
            "messages": [{"role": "user", "content": _content(text, pictures)}],
            "temperature": self._profile.temperature,
            "top_p": self._profile.nucleus,
            "seed": seed,
            "stream": True,
        }
        # what servers of one's own do unless they are told otherwise is not nucleus sampling
        plain = {"top_k": 0, "min_p": 0.0, "chat_template_kwargs": {"enable_thinking": False}}
        grammar = answer_grammar(request.form, request.max_words)
        match self._served.kind:
            case Kind.LLAMA:
                return body | plain | ({"grammar": grammar} if self._forced else {})
            case Kind.VLLM:
                return body | plain | ({"structured_outputs": {"grammar": grammar}} if self._forced else {})
            case _:
                return body


async def _unless_stopped(writing: Coroutine[Any, Any, T], should_stop: Callable[[], bool]) -> T:
    """Await something, and end it as soon as nobody wants it any more."""
    task = asyncio.create_task(writing)
    while not task.done():
        await asyncio.wait({task}, timeout=_GLANCE)
        if should_stop() and not task.done():
            task.cancel()
            await asyncio.wait({task})
            raise Cancelled("the writing was stopped")
    return task.result()


def _content(text: str, pictures: Mapping[str, Pixels]) -> str | list[dict[str, Any]]:
    """A message's text, or its parts where it holds pictures."""
    pieces = split_pictures(text)
    if len(pieces) == 1:
        return text
    parts: list[dict[str, Any]] = []
    for place, piece in enumerate(pieces):
        if place % 2:
            parts.append({"type": "image_url", "image_url": {"url": _data_url(pictures[piece])}})
        elif piece:
            parts.append({"type": "text", "text": piece})
    return parts


def _data_url(picture: Pixels) -> str:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
