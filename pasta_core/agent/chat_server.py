"""A server with the OpenAI interface at an address that a person has named: llama-server, vLLM and so on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.text import clean_line

if TYPE_CHECKING:
    import httpx2

__all__ = ["TRIES", "ChatServer", "Kind", "Refused", "Served"]

T = TypeVar("T")

TRIES = 3
"""How often a request is made that nobody answers, or that breaks off."""

PAUSE = 0.5
"""Seconds before the second try; every further one waits twice as long."""

CONNECT = 10.0
"""Seconds in which an address must take a connection."""

_BUSY = (408, 425, 429, 500, 502, 503, 504)
"""What servers answer that may answer otherwise soon."""


class Kind(StrEnum):
    """Whose server it is, as far as it matters: how it is told which answers are well-formed."""

    LLAMA = "llamacpp"
    VLLM = "vllm"
    OTHER = "other"


@dataclass(frozen=True)
class Served:
    """What a server says of itself."""

    model: str
    kind: Kind


class Refused(PastaError):
    """The server takes no such request; `text` is what it says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the writer's server answered {status}: {text}", "see the server's log")
        self.status = status
        self.text = text


class ChatServer:
    """A client of the server at `url`, which gets `key` as its bearer token where there is one.

    `timeout` is how many seconds it may be silent. Every method raises `ModelUnavailable` where it is away,
    silent, refuses the key or speaks something else, and right here where no key can be like this one. An
    asynchronous context manager; leaving a request early closes its connection, which ends the work of the
    server.
    """

    def __init__(self, url: str, key: str, timeout: float) -> None:
        self._base = url.rstrip("/").removesuffix("/v1")
        self.url = re.sub(r"//[^/@]*@", "//", self._base)
        """The address as a person may read it, without a password."""
        self._key = key.strip()
        # the HTTP library complains of others by printing the whole header, and that into a log
        if not (self._key.isascii() and self._key.isprintable()):
            raise ModelUnavailable(
                "PASTA_WRITER_KEY holds what no key can", "set it to one of printable ASCII characters alone"
            )
        self._timeout = timeout
        self._client: httpx2.AsyncClient

    async def __aenter__(self) -> Self:
        import httpx2

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        silence = httpx2.Timeout(self._timeout, connect=min(CONNECT, self._timeout))
        # no proxy of the environment: nobody is asked but who was named
        self._client = httpx2.AsyncClient(headers=headers, timeout=silence, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def look(self, model: str) -> Served:
        """Ask which models there are, and take `model` or the only one."""

        async def ask() -> Any:
            async with self._answer("GET", "/v1/models", None) as answer:
                return json.loads(await answer.aread())

        try:
            models = (await self._tried(ask))["data"]
            listed = [(str(one["id"]), str(one.get("owned_by", ""))) for one in models]
        except (ValueError, KeyError, TypeError, AttributeError, Refused) as error:
            raise self._foreign() from error
        owner = listed[0][1] if listed else ""
        kind = Kind(owner) if owner in tuple(Kind) else Kind.OTHER
        names = [name for name, _ in listed]
        if not model and len(names) != 1:
            raise ModelUnavailable(
                f"the writer's server {self.url} has {len(names)} models: {_listed(names)}",
                "name one as writer.model in the profile",
            )
        # llama-server answers to every name
        if model and kind is not Kind.LLAMA and model not in names:
            raise ModelUnavailable(
                f"the writer's server {self.url} has no model {model!r}, it has: {_listed(names)}",
                "correct writer.model in the profile",
            )
        return Served(model or names[0], kind)

    async def write(self, body: Mapping[str, Any], most: int, heard: Callable[[str], None]) -> str:
        """The answer to a chat request; `heard` is told what there is of it as it comes.

        One that breaks off is asked for again. One that the server ends early, or that is longer than `most`
        characters, comes without its last line. Raises `Refused` where the request is not taken.
        """

        async def ask() -> str:
            text = ""
            silence = asyncio.timeout(self._timeout)
            try:
                async with silence, self._answer("POST", "/v1/chat/completions", body) as answer:
                    async for piece in _pieces(answer):
                        if piece is None:
                            return text
                        silence.reschedule(asyncio.get_running_loop().time() + self._timeout)
                        text += piece
                        heard(text)
                        if len(text) > most:
                            break
            except TimeoutError as error:
                raise self._silent() from error
            return text[: text.rfind("\n") + 1]

        return await self._tried(ask)

    async def _tried(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Make a request, and again where nobody was there or it broke off."""
        import httpx2

        for attempt in range(TRIES):
            try:
                return await ask()
            except (httpx2.TransportError, _Busy) as error:
                if isinstance(error, (httpx2.ReadTimeout, httpx2.WriteTimeout)):
                    raise self._silent() from error
                if attempt == TRIES - 1:
                    raise self._away(error) from error
                await asyncio.sleep(PAUSE * 2**attempt)
        raise AssertionError

    @asynccontextmanager
    async def _answer(self, method: str, path: str, body: Any) -> AsyncIterator[httpx2.Response]:
        async with self._client.stream(method, self._base + path, json=body) as answer:
            if answer.status_code == 200:
                yield answer
                return
            text = _said(await answer.aread())
            if answer.status_code in _BUSY:
                raise _Busy(f"answered {answer.status_code}{': ' if text else ''}{text}")
            if answer.status_code in (401, 403):
                raise ModelUnavailable(
                    f"the writer's server {self.url} refuses the key", "set PASTA_WRITER_KEY to one it takes"
                )
            if answer.status_code in (404, 405):
                raise self._foreign()
            raise Refused(answer.status_code, text)

    def _away(self, error: Exception) -> ModelUnavailable:
        how = str(error) if isinstance(error, _Busy) else f"cannot be reached ({type(error).__name__})"
        return ModelUnavailable(
            f"the writer's server {self.url} {how}", "start it, or correct writer.url in the profile"
        )

    def _silent(self) -> ModelUnavailable:
        return ModelUnavailable(
            f"the writer's server {self.url} said nothing for {self._timeout:g} s",
            "look after it, or set a longer writer.timeout in the profile",
        )

    def _foreign(self) -> ModelUnavailable:
        return ModelUnavailable(
            f"what answers at {self.url} is no server with the OpenAI interface",
            "correct writer.url in the profile",
        )


class _Busy(Exception):
    """The server is there and cannot answer now."""


async def _pieces(answer: httpx2.Response) -> AsyncIterator[str | None]:
    """The pieces of text in an answer, streamed as server-sent events or not; None where it is whole."""
    if "event-stream" not in answer.headers.get("content-type", ""):
        for piece in _content(await answer.aread(), "message"):
            yield piece
        return
    async for line in answer.aiter_lines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            for piece in _content(line[5:], "delta"):
                yield piece


def _content(data: bytes | str, part: str) -> Iterator[str | None]:
    """The text in one message, and None if it is the last; `Refused` where it tells of an error."""
    try:
        said = json.loads(data)
        failed = isinstance(said, dict) and bool(said.get("error"))
        choice = {} if failed or not said["choices"] else said["choices"][0]
        text, end = choice.get(part, {}).get("content"), choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return
    if failed:
        raise Refused(500, _said(data if isinstance(data, bytes) else data.encode()))
    if isinstance(text, str) and text:
        yield text
    if end == "stop":
        yield None


def _said(body: bytes) -> str:
    """What a server says of an error, as one short clean line."""
    text = body[:4096].decode("utf-8", "replace")
    try:
        error = json.loads(body)["error"]
        text = str(error["message"]) if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        pass
    return clean_line(" ".join(text.split()))[:200]


def _listed(names: list[str]) -> str:
    return ", ".join(clean_line(name)[:60] for name in names[:5]) or "none"
