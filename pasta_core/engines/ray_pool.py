"""A pool of equal Ray actors: one call at a time each, and what a lost one owed goes to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pasta_core.errors import WorkerError

__all__ = ["ActorPool"]


class ActorPool:
    """Actors made by `make`, each with at most `ahead` calls under way: the queue here is the back-pressure.

    An actor whose machine or process is lost is replaced by a new one, which begins as soon as the cluster
    has room for it. Its calls are made again; every call must be one that can be.
    """

    def __init__(
        self, make: Callable[[], Any], size: int, ahead: int, on_note: Callable[[str], None]
    ) -> None:
        self._make = make
        self._on_note = on_note
        self._ahead = ahead
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        self._actors: list[Any] = []
        self._joining: set[asyncio.Task[None]] = set()
        self._failed: Exception | None = None
        for _ in range(size):
            self._join()

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method on whichever actor is free first; raises what it raises."""
        import ray

        while True:
            actor = await self._next()
            try:
                return await getattr(actor, method).remote(*arguments)
            except ray.exceptions.RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except ray.exceptions.RayError as error:
                self._lost(actor, error)
            finally:
                if actor in self._actors:
                    self._free.put_nowait(actor)

    async def close(self) -> None:
        """End all actors."""
        import ray

        for joining in self._joining:
            joining.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        for actor in self._actors:
            ray.kill(actor)
        self._actors.clear()

    async def _next(self) -> Any:
        while True:
            actor = await self._free.get()
            if actor is None and self._failed is not None:
                self._free.put_nowait(None)
                raise self._failed
            if actor in self._actors:
                return actor

    def _lost(self, actor: Any, error: Exception) -> None:
        if actor in self._actors:
            self._actors.remove(actor)
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._on_note(f"a model's actor was lost, another one takes over: {lines[0][:120]}")
            self._join()

    def _join(self) -> None:
        task = asyncio.create_task(self._welcome(self._make()), name="actor")
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _welcome(self, actor: Any) -> None:
        """Wait until an actor has loaded its model, then give it work."""
        import ray

        try:
            await actor.ready.remote()
        except ray.exceptions.RayTaskError as error:
            self._fail(error.cause if isinstance(error.cause, Exception) else error)
            return
        except ray.exceptions.RayActorError as error:
            self._fail(WorkerError(f"a model's actor did not start: {str(error)[:200]}"))
            return
        self._actors.append(actor)
        for _ in range(self._ahead):
            self._free.put_nowait(actor)

    def _fail(self, error: Exception) -> None:
        """A model that does not load here loads nowhere: whoever waits is told."""
        self._failed = error
        self._free.put_nowait(None)
