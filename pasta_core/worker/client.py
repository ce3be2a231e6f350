"""The asking side of the wire: talks from asyncio to any process that speaks the frames."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from pasta_core.errors import PastaError, WorkerError
from pasta_core.worker.frames import Array, Frame, FrameDecoder, encode_frame
from pasta_core.worker.launch import Launched
from pasta_core.worker.protocol import Hello, error_from_json, final
from pasta_core.worker.relay import describe_exit

__all__ = ["WorkerClient", "result_of"]

CHUNK = 2**18
GRACE = 0.05
"""Seconds a worker has to leave by itself when its stdin is closed."""


class WorkerClient:
    """One worker process, from its greeting to its end.

    Calls run concurrently and are told apart by number. A call whose task is cancelled is cancelled in the
    worker too.
    """

    def __init__(
        self,
        launched: Launched,
        stdin: asyncio.WriteTransport,
        pipe: asyncio.BaseTransport,
        stdout: asyncio.StreamReader,
    ) -> None:
        self._launched = launched
        self._stdin = stdin
        self._pipe = pipe
        self._stdout = stdout
        self._decoder = FrameDecoder()
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Queue[Frame | PastaError]] = {}
        self._end: PastaError | None = None
        self._killed = False
        self._greeting: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._pump = asyncio.create_task(self._read(), name="worker replies")
        self.hello: Hello

    @classmethod
    async def adopt(cls, launched: Launched, timeout: float) -> WorkerClient:
        """Talk to a worker that has been started, once it has greeted.

        Raises `WorkerError` where no greeting, or another protocol's, comes within `timeout` seconds. However
        it fails, the worker has ended.
        """
        launched.taken = True
        loop = asyncio.get_running_loop()
        stdout = asyncio.StreamReader()
        try:
            pipe, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stdout), launched.process.stdout
            )
            stdin, _ = await loop.connect_write_pipe(asyncio.Protocol, launched.process.stdin)
        except BaseException:
            # nobody has a client yet that could end it; its pipes close by its end
            launched.kill()
            raise
        client = cls(launched, stdin, pipe, stdout)
        try:
            client.hello = await asyncio.wait_for(asyncio.shield(client._greeting), timeout)
        except TimeoutError:
            await client.close()
            said = client._decoder.preamble
            raise WorkerError(
                f"{launched.command[0]!r} did not greet within {timeout:g} s" + _said(said[:120]),
                f"check the worker's command; its log is {launched.log}",
            ) from None
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._end is None

    @property
    def pid(self) -> int:
        """The process id of what was started here, be it the worker or the ssh in front of it."""
        return self._launched.process.pid

    async def call(
        self, verb: str, args: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
    ) -> AsyncGenerator[Frame, None]:
        """Ask, and yield the replies as they come; the frame of kind "result" is the last.

        Raises the worker's own error, or a retryable `WorkerError` where it died. Leaving the iterator early
        cancels the call; close it (`contextlib.aclosing`) to have that happen at once.
        """
        if self._end is not None:
            raise self._end
        number = next(self._numbers)
        replies: asyncio.Queue[Frame | PastaError] = asyncio.Queue()
        self._open[number] = replies
        finished = False
        try:
            self._send({"kind": "call", "id": number, "verb": verb, "args": dict(args)}, arrays)
            while not finished:
                reply = await replies.get()
                if isinstance(reply, PastaError):
                    finished = True
                    raise reply
                finished = reply.data["kind"] == "result"
                yield reply
        finally:
            self._open.pop(number, None)
            if not finished and self._end is None:
                self._send({"kind": "cancel", "id": number})

    async def ask(
        self, verb: str, args: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
    ) -> Frame:
        """Ask, and return the result alone."""
        return await result_of(verb, self.call(verb, args, arrays))

    async def close(self) -> None:
        """End the worker and everything it started: first by closing its stdin, then by SIGKILL."""
        self._finish(final(WorkerError("the worker is closed")))
        self._stdin.close()
        if not self._killed:
            await self._launched.ended(GRACE)
        # The whole session goes, also where the leader has left already: nothing may outlive the program.
        self._launched.kill()
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
        self._pipe.close()
        if self._stdin.get_write_buffer_size():
            self._stdin.abort()

    def kill(self) -> None:
        """End the worker and everything it started with SIGKILL, without waiting."""
        self._finish(final(WorkerError("the worker is closed")))
        self._killed = True
        self._launched.kill()

    def _send(self, data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(encode_frame(data, arrays))

    async def _read(self) -> None:
        try:
            while data := await self._stdout.read(CHUNK):
                for frame in self._decoder.feed(data):
                    self._take(frame)
            self._finish(await self._obituary())
        except PastaError as error:
            self._finish(error)
        except (KeyError, TypeError, ValueError) as error:
            self._finish(
                WorkerError(f"the worker broke the protocol: {error!r}", f"its log is {self._launched.log}")
            )
        self._launched.kill()

    def _take(self, frame: Frame) -> None:
        kind = frame.data.get("kind")
        if not self._greeting.done():
            self._greeting.set_result(Hello.from_json(frame.data))
        elif kind == "fatal":
            self._finish(error_from_json(frame.data["error"]))
        elif (replies := self._open.get(int(frame.data["id"]))) is not None:
            failed = kind == "error"
            replies.put_nowait(error_from_json(frame.data["data"]["error"]) if failed else frame)

    def _finish(self, error: PastaError) -> None:
        if self._end is None:
            self._end = error
            for replies in self._open.values():
                replies.put_nowait(error)
        if not self._greeting.done():
            self._greeting.set_exception(error)
            # The exception is marked as seen: whoever starts the client may have given up waiting.
            self._greeting.exception()

    async def _obituary(self) -> PastaError:
        code = await self._launched.ended(1.0)
        how = "it closed its output" if code is None else describe_exit(code)
        said = self._last_words()
        return WorkerError(
            f"the worker died ({how})" + _said(said),
            f"it was {self._launched.command[0]!r}, its log is {self._launched.log}",
        )

    def _last_words(self) -> str:
        """The last line it logged, where it died before it greeted; later ones are for the log only."""
        if self._greeting.done():
            return ""
        try:
            with self._launched.log.open("rb") as stream:
                stream.seek(self._launched.since)
                lines = stream.read()[-4096:].decode("utf-8", "replace").split("\n")
        except OSError:
            lines = []
        spoken = [line for line in (*lines, self._decoder.preamble) if line.strip()]
        return "".join(c for c in spoken[-1].strip() if c.isprintable())[:200] if spoken else ""


def _said(words: str) -> str:
    return f", it said: {words}" if words else ""


async def result_of(verb: str, call: AsyncGenerator[Frame, None]) -> Frame:
    """Read a call to its end and return the result alone; `WorkerError` where none came."""
    async with aclosing(call) as replies:
        async for reply in replies:
            if reply.data["kind"] == "result":
                return reply
    raise WorkerError(f"the worker left {verb} unanswered")
