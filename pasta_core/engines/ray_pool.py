"""A pool of equal Ray actors: one call at a time each, and what a lost one owed goes to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pasta_core.errors import PastaError, WorkerError
from pasta_core.worker.protocol import final

__all__ = ["LOSSES", "ActorPool"]

LOSSES = 3
"""Actors that one call may cost, and those that may be lost one after another while they load."""


class ActorPool:
    """Actors made by `make`, each with at most `ahead` calls under way: the queue here is the back-pressure.

    An actor whose machine or process is lost is replaced by a new one, which begins as soon as the cluster
    has room for it. Its calls are made again; every call must be one that can be. A model that one of them
    cannot load ends the pool; where actors are only lost while they load, the others go on without them.
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
        """Call a method on whichever actor is free first; raises what it raises.

        `WorkerError` where the call has cost `LOSSES` actors.
        """
        import ray

        losses = 0
        while True:
            actor = await self._next()
            try:
                return await getattr(actor, method).remote(*arguments)
            except ray.exceptions.RayTaskError as error:
                raise _cause(error) from None
            except ray.exceptions.RayError as error:
                self._lost(actor, error)
                losses += 1
                if losses == LOSSES:
                    raise final(
                        WorkerError(
                            f"{losses} actors were lost over one call ({method}): {_line(error)}",
                            "see Ray's logs for what ended them",
                        )
                    ) from error
            finally:
                if actor in self._actors:
                    self._free.put_nowait(actor)

    async def close(self) -> None:
        """End all actors."""
        import ray

        joining = list(self._joining)
        for task in joining:
            task.cancel()
        await asyncio.gather(*joining, return_exceptions=True)
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
            self._on_note(f"a model's actor was lost, another one takes over: {_line(error)}")
            self._join()

    def _join(self) -> None:
        self._joining.add(asyncio.create_task(self._welcomed(), name="actor"))

    async def _welcomed(self) -> None:
        """Have an actor join; whatever is in its way, no caller may wait for one that never comes."""
        try:
            await self._welcome()
        except Exception as error:
            self._fail(error)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._joining.discard(task)

    async def _welcome(self) -> None:
        """Wait until an actor has loaded its model, then give it work; after a loss try with another one."""
        import ray

        for _ in range(LOSSES):
            actor = self._make()
            try:
                await actor.ready.remote()
            except ray.exceptions.RayTaskError as error:
                # a model that does not load here loads nowhere
                raise _cause(error) from None
            except ray.exceptions.RayError as error:
                lost = _line(error)
                self._on_note(f"a model's actor was lost while it loaded: {lost}")
                continue
            self._actors.append(actor)
            for _ in range(self._ahead):
                self._free.put_nowait(actor)
            return
        if not self._actors and len(self._joining) == 1:
            raise final(WorkerError(f"no actor of a model starts: {lost}", "see Ray's logs"))
        self._on_note(f"{LOSSES} of a model's actors were lost while they loaded: going on without it")

    def _fail(self, error: Exception) -> None:
        """Tell whoever waits for an actor, now and later."""
        self._failed = error
        self._free.put_nowait(None)


def _cause(error: Any) -> PastaError:
    """What an actor raised; one that nobody foresaw as a worker's is told (`worker.protocol`)."""
    if isinstance(error.cause, PastaError):
        return error.cause
    text = f"{type(error.cause).__name__}: {_line(error.cause or error)}"
    return final(WorkerError(f"a model's actor failed: {text}", "Ray's logs have the whole story"))


def _line(error: Exception) -> str:
    """The first line of what Ray says."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:120]
