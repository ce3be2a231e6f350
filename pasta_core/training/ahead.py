"""The next step's batch, made while this one is learnt from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """Calls `make` with a step's number, one step early; what it makes depends on that number alone."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[T]] | None = None

    def __call__(self, step: int) -> T:
        """What `make` makes of `step`, or the error that it raised."""
        ready = self._next[1] if self._next is not None and self._next[0] == step else None
        made = self._make(step) if ready is None else ready.result()
        self._next = step + 1, self._pool.submit(self._make, step + 1)
        return made
