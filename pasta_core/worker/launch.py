"""A worker's process, started without an event loop: it loads while the program imports its screens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput, StorageError

__all__ = ["Launched", "launch"]

_GLANCE = 0.002
"""Seconds between two looks at a process that is about to end."""


@dataclass(eq=False)
class Launched:
    """A process that was started with `command`, its stderr going to the end of `log`."""

    process: subprocess.Popen[bytes]
    command: tuple[str, ...]
    log: Path
    since: int
    """Where in the log its own lines begin, in bytes."""
    taken: bool = False
    """Somebody talks to it, and ends it."""

    async def ended(self, patience: float) -> int | None:
        """Its exit code, waited for at most so many seconds; None while it lives."""
        end = asyncio.get_running_loop().time() + patience
        while (code := self.process.poll()) is None and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(_GLANCE)
        return code

    def kill(self) -> None:
        """End it and everything it started with SIGKILL, without waiting."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.poll() is None:
            # A process of a gigabyte takes its time to go; it leaves nothing behind, and nobody waits for it.
            threading.Thread(target=self.process.wait, name="undertaker", daemon=True).start()


def launch(command: Sequence[str], log: Path) -> Launched:
    """Start `command` in a session of its own.

    Raises `InvalidInput` where it cannot be started and `StorageError` where the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        sink = log.open("ab")
    except OSError as error:
        raise StorageError(
            f"the worker's log {log} cannot be written: {error.strerror}", "choose another directory"
        ) from error
    with sink:
        since = sink.tell()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidInput(
                f"the worker {command[0]!r} cannot be started: {error.strerror}", "check the worker's command"
            ) from error
    return Launched(process, tuple(command), log, since)
