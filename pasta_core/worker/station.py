"""The serving side of the wire, shared by both processes: one thread reads, the main thread computes.

The reader never computes, so a cancel arrives while a model runs. When the other side goes away the process
ends at once: it holds nothing that could be lost.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from pasta_core.errors import Cancelled, InvalidInput
from pasta_core.worker.frames import Array, Frame, encode_frame, read_frames
from pasta_core.worker.protocol import error_to_json

__all__ = ["Call", "Channel", "Handler", "Station", "claim_stdio"]

log = logging.getLogger(__name__)


class Channel:
    """A file descriptor that frames are written to, whole and one at a time."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
        """Write one frame; BrokenPipeError where nobody reads any more."""
        view = memoryview(encode_frame(data, arrays))
        with self._lock:
            while view:
                view = view[os.write(self._fd, view) :]


def claim_stdio() -> tuple[IO[bytes], Channel]:
    """Take stdin and stdout for the wire, so that no library can read from it or print into it.

    Afterwards fd 0 is empty and fd 1 is stderr, also for C code and child processes.
    """
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    sink = Channel(os.dup(1))
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, sink


class Call:
    """One request: its arguments, whether it is still wanted, and the way back."""

    def __init__(self, frame: Frame, sink: Channel) -> None:
        self.id = int(frame.data["id"])
        self.verb = str(frame.data["verb"])
        self.args: Mapping[str, Any] = frame.data.get("args", {})
        self.arrays = frame.arrays
        self.frame = frame
        self._sink = sink
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Say that nobody waits for the answer any more."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether it was cancelled; cheap enough to ask between tokens and steps."""
        return self._cancelled.is_set()

    def progress(self, done: int, total: int) -> None:
        """Report how far it is."""
        self._send("progress", done=done, total=total)

    def note(self, text: str) -> None:
        """Tell the person one line."""
        self._send("note", text=text)

    def item(self, data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
        """Send a part of the answer as soon as there is one."""
        self._send("item", arrays, **data)

    def preview(self, data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
        """Send what a part of the answer will be like; only to who asked for it."""
        self._send("preview", arrays, **data)

    def result(self, data: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
        """Send the last part of the answer."""
        self._send("result", arrays, **data)

    def error(self, error: BaseException) -> None:
        """Send why there is no answer."""
        self._send("error", error=error_to_json(error))

    def _send(self, kind: str, arrays: Mapping[str, Array] | None = None, **data: Any) -> None:
        self._sink.send({"kind": kind, "id": self.id, "data": data}, arrays)


Handler = Callable[[Call], None]
"""Answers a call: sends its items and its result, or raises."""


class Station:
    """Dispatches calls: `prompt` verbs are answered by the reader, `queued` ones in order by `work`."""

    def __init__(
        self,
        source: IO[bytes],
        sink: Channel,
        *,
        prompt: Mapping[str, Handler] | None = None,
        queued: Mapping[str, Handler] | None = None,
        on_cancel: Callable[[int], None] = lambda call_id: None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._prompt = dict(prompt or {})
        self._queued = dict(queued or {})
        self._on_cancel = on_cancel
        self._waiting: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._open: dict[int, Call] = {}

    def start(self) -> None:
        """Start reading in a thread of its own."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def work(self) -> None:
        """Answer queued calls for ever, one after another, in the calling thread."""
        while True:
            call = self._waiting.get()
            try:
                self._answer(call, self._queued[call.verb])
            finally:
                self.close(call)

    def take(self, *, wait: bool) -> Call | None:
        """The next queued call, for who answers several at a time; None where there is none and not `wait`.

        Whoever takes it answers it and then says `close`.
        """
        try:
            return self._waiting.get(block=wait)
        except queue.Empty:
            return None

    def close(self, call: Call) -> None:
        """Forget a call that has been answered."""
        self._open.pop(call.id, None)

    def _read(self) -> None:
        try:
            for frame in read_frames(self._source):
                self._dispatch(frame)
        except BrokenPipeError:
            pass
        except Exception:
            log.exception("the wire broke")
            os._exit(1)
        os._exit(0)

    def _dispatch(self, frame: Frame) -> None:
        kind = frame.data.get("kind")
        if kind == "shutdown":
            os._exit(0)
        if kind == "cancel":
            call_id = int(frame.data["id"])
            if (call := self._open.get(call_id)) is not None:
                call.cancel()
            self._on_cancel(call_id)
        elif kind == "call":
            call = Call(frame, self._sink)
            if call.verb in self._prompt:
                self._answer(call, self._prompt[call.verb])
            elif call.verb in self._queued:
                self._open[call.id] = call
                self._waiting.put(call)
            else:
                known = ", ".join(sorted({*self._prompt, *self._queued}))
                call.error(InvalidInput(f"this worker does not know {call.verb!r}", f"it knows {known}"))
        else:
            raise ValueError(f"no frame is of kind {kind!r}")

    def _answer(self, call: Call, handler: Handler) -> None:
        try:
            if call.cancelled():
                raise Cancelled("cancelled before it began")
            handler(call)
        except BrokenPipeError:
            os._exit(0)
        except Cancelled as error:
            call.error(error)
        except Exception as error:
            log.exception("%s failed", call.verb)
            call.error(error)
