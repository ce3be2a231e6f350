"""Runs one coroutine to its end; a first Ctrl-C or SIGTERM cancels it cleanly, a second kills."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from pasta_tui.console.errors import Stopped

__all__ = ["run_until_stopped"]

T = TypeVar("T")


def run_until_stopped(main: Coroutine[Any, Any, T]) -> T:
    """Run `main`; raises `Stopped` once it has been cancelled by a signal and has cleaned up."""
    return asyncio.run(_guarded(main))


async def _guarded(main: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    received: list[int] = []

    def stop(signum: int) -> None:
        if received:
            os._exit(Stopped(signum).code)
        received.append(signum)
        task.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop, signum)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Stopped(received[0]) from None
        raise
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
