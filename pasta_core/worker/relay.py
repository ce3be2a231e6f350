"""Passes `write` on to the writer process, and starts another one when it dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from pasta_core.errors import Cancelled, WorkerError
from pasta_core.worker.frames import read_frames
from pasta_core.worker.protocol import Hello
from pasta_core.worker.station import Call, Channel

__all__ = ["WriterRelay", "describe_exit"]

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds that a writer has to leave by itself."""
_GLANCE = 0.05

OnAnswer = Callable[[int, float, int], None]
"""Gets the writer's process id, the seconds that a request took, and how many candidates came of it."""


def describe_exit(code: int) -> str:
    """An exit code in words: a negative one is the signal that ended the process."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class WriterRelay:
    """One writer process at a time. Its replies go to the worker's own channel under the same call numbers.

    A process that dies fails the calls it had with a retryable `WorkerError`; the next call finds a new one.
    `environment` is added to its own; `answered` is told of every request that was met.
    """

    def __init__(
        self,
        command: Sequence[str],
        sink: Channel,
        environment: Mapping[str, str] | None = None,
        answered: OnAnswer = lambda pid, seconds, count: None,
    ) -> None:
        self._command = list(command)
        self._sink = sink
        self._environment = {**os.environ, **(environment or {})}
        self._answered = answered
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._begun: dict[int, float] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._open: dict[int, Call] = {}

    @property
    def pid(self) -> int | None:
        """The process id of the living writer."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start a writer if none is alive."""
        with self._lock:
            self._ensure()

    def leave(self, stopped: Callable[[], bool]) -> None:
        """End the writer once it has answered what it was asked: it has given all its memory back afterwards.

        Raises `Cancelled` as soon as `stopped` says so, while it still writes.
        """
        while True:
            with self._lock:
                if not self._open:
                    process, channel, reader = self._process, self._channel, self._reader
                    self._process = self._channel = self._reader = None
                    break
            if stopped():
                raise Cancelled("cancelled while the writer was busy")
            time.sleep(_GLANCE)
        if process is None or channel is None or reader is None:
            return
        try:
            channel.send({"kind": "shutdown"})
        except BrokenPipeError:
            log.info("the writer was gone when it was to leave")
        reader.join(_PATIENCE)
        if reader.is_alive():
            process.kill()
            reader.join()

    def write(self, call: Call) -> None:
        """Pass a call on; its answer comes from the relaying thread.

        Raises `Cancelled` where nobody waits for it any more: a cancel before this found no call to pass on.
        """
        with self._lock:
            if call.cancelled():
                raise Cancelled("cancelled before it was written")
            self._open[call.id] = call
            self._begun[call.id] = time.monotonic()
            channel = self._ensure()
            try:
                channel.send(call.frame.data, call.frame.arrays)
            except BrokenPipeError:
                # It died this moment; the thread that reads from it fails the call.
                log.warning("the writer was gone when a call came")

    def cancel(self, call_id: int) -> None:
        """Pass a cancel on, if the call is still open."""
        with self._lock:
            if call_id in self._open and self._channel is not None:
                try:
                    self._channel.send({"kind": "cancel", "id": call_id})
                except BrokenPipeError:
                    log.warning("the writer was gone when a cancel came")

    def _ensure(self) -> Channel:
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=self._environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._channel = Channel(process.stdin.fileno())
        self._reader = threading.Thread(
            target=self._relay, args=(process, process.stdout), name="relay", daemon=True
        )
        self._reader.start()
        return self._channel

    def _relay(self, process: subprocess.Popen[bytes], replies: IO[bytes]) -> None:
        try:
            for number, frame in enumerate(read_frames(replies)):
                if number == 0:
                    Hello.from_json(frame.data)
                    continue
                begun = None
                if frame.data["kind"] in ("result", "error"):
                    with self._lock:
                        self._open.pop(int(frame.data["id"]), None)
                        begun = self._begun.pop(int(frame.data["id"]), None)
                took = None if begun is None else time.monotonic() - begun
                self._sink.send(frame.data, frame.arrays)
                if took is not None and frame.data["kind"] == "result":
                    count = len(frame.data["data"].get("candidates", ()))
                    self._answered(process.pid, took, count)
        except Exception:
            log.exception("the writer broke the protocol")
            process.kill()
        self._bury(process)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        reason = describe_exit(process.wait())
        with self._lock:
            # one that was told to leave is not known any more
            asked = self._process is not process
            calls = list(self._open.values())
            self._open.clear()
            self._begun.clear()
            if self._process is process:
                self._process = self._channel = None
        log.log(logging.INFO if asked else logging.WARNING, "the writer process ended: %s", reason)
        for call in calls:
            call.error(WorkerError(f"the writer process died ({reason})", "another one is started"))
