"""Painting for many rollouts at once: what they wait for is painted together, and nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pasta_core.domain import Image, PaintedImage, Painter, Progress
from pasta_core.errors import WorkerError

__all__ = ["IN_FLIGHT", "BatchingPainter", "PaintCounts"]

REMEMBERED = 256 * 2**20
"""Bytes of pixels that are kept for whoever wants the same prompt with the same seed again."""

IN_FLIGHT = 2
"""Calls at a time: while one is painted, the next one lies ready."""

_Key = tuple[str, int]


@dataclass
class PaintCounts:
    """What was asked for and what it took, for reports."""

    asked: int = 0
    painted: int = 0
    calls: int = 0
    busy: float = 0.0
    """Seconds during which at least one call was being painted."""


class BatchingPainter:
    """A `domain.Painter` in front of another one, shared by all rollouts.

    Every image is one job. Jobs are painted in the order they were asked for, `batch` in a call and
    `in_flight` calls at a time, so that passes of `pass_size` images are full whenever so many wait. An image
    is what its prompt and its seed make it, so company changes nothing.
    """

    def __init__(
        self,
        painter: Painter,
        batch: int,
        pass_size: int,
        in_flight: int = IN_FLIGHT,
        remembered: int = REMEMBERED,
    ) -> None:
        self.counts = PaintCounts()
        self._painter = painter
        self._batch = batch
        self._pass_size = pass_size
        self._in_flight = in_flight
        self._remembered = remembered
        self._size = 0
        self._images: OrderedDict[_Key, asyncio.Future[Image]] = OrderedDict()
        self._waiting: deque[_Key] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._since = 0.0

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        """Yield the images in slate order; raises what painting any of them raised."""
        wanted = [
            (column, index, self._job((prompt, seed)))
            for column, (prompt, row) in enumerate(zip(prompts, seeds, strict=True))
            for index, seed in enumerate(row)
        ]
        asyncio.get_running_loop().call_soon(self._begin_calls)
        for done, (column, index, future) in enumerate(wanted, start=1):
            # several rollouts may wait for one image: one that is cancelled must not take it from the rest
            image = await asyncio.shield(future)
            progress(done, len(wanted))
            yield PaintedImage(column, index, image)

    async def close(self) -> None:
        """Stop painting; whoever still waits waits for nothing."""
        self._waiting.clear()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _job(self, key: _Key) -> asyncio.Future[Image]:
        self.counts.asked += 1
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        future: asyncio.Future[Image] = asyncio.get_running_loop().create_future()
        self._images[key] = future
        self._waiting.append(key)
        return future

    def _begin_calls(self) -> None:
        while self._waiting and len(self._calls) < self._in_flight:
            size = min(len(self._waiting), self._batch)
            if self._calls and size < self._batch:
                # nobody is idle: by the end of a call more may wait
                return
            size -= size % self._pass_size if size > self._pass_size else 0
            keys = [self._waiting.popleft() for _ in range(size)]
            if not self._calls:
                self._since = time.perf_counter()
            call = asyncio.create_task(self._call(keys), name="painting")
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not self._calls:
            self.counts.busy += time.perf_counter() - self._since
        self._begin_calls()

    async def _call(self, keys: Sequence[_Key]) -> None:
        self.counts.calls += 1
        prompts = [prompt for prompt, _ in keys]
        missing = set(range(len(keys)))
        try:
            painting = self._painter.paint(prompts, [[seed] for _, seed in keys], lambda done, total: None)
            async for painted in painting:
                self._finish(keys[painted.column], painted.image)
                missing.discard(painted.column)
            for place in missing:
                self._fail(keys[place], WorkerError("the painter left out an image"))
        except asyncio.CancelledError:
            for place in missing:
                self._images.pop(keys[place]).cancel()
            raise
        except Exception as error:
            for place in missing:
                self._fail(keys[place], error)

    def _finish(self, key: _Key, image: Image) -> None:
        self.counts.painted += 1
        self._images[key].set_result(image)
        self._size += image.pixels.nbytes
        while self._size > self._remembered:
            oldest = next((key for key, future in self._images.items() if future.done()), None)
            if oldest is None:
                return
            self._size -= self._images.pop(oldest).result().pixels.nbytes

    def _fail(self, key: _Key, error: Exception) -> None:
        future = self._images.pop(key)
        future.set_exception(error)
        # whoever waited may have gone; then nobody else would ever look
        future.exception()
