"""Images become durable while the next ones are painted: encoding and syncing a file is on nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["SavingAhead"]

AT_ONCE = 4
"""Images that are encoded side by side: a PNG of 1024x1024 pixels takes a core 0.1 s."""


class SavingAhead:
    """Saves side by side and tells in the order that was asked, each once it is durable.

    When the block ends, everything that was taken is durable and told, however it ends. A save that fails
    ends the block, or the next `take`, with its error, and what was taken after it is not told.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._last: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures and error is None:
            raise failures[0]

    async def take(
        self, save: Callable[[], Awaitable[Path | None]], tell: Callable[[Path | None], None]
    ) -> None:
        """Begin to save, once there is a free hand; `tell` gets what `save` returned."""
        await self._slots.acquire()
        for task in self._tasks:
            if task.done() and (failure := task.exception()) is not None:
                raise failure
        self._tasks = [task for task in self._tasks if not task.done()]
        self._last = asyncio.create_task(self._saved(save, tell, self._last), name="saving")
        self._tasks.append(self._last)

    async def _saved(
        self,
        save: Callable[[], Awaitable[Path | None]],
        tell: Callable[[Path | None], None],
        before: asyncio.Task[None] | None,
    ) -> None:
        try:
            path = await save()
        finally:
            self._slots.release()
        if before is not None:
            await before
        tell(path)
