"""The writer process as the worker sees it: it leaves when it is asked, after what it was asked before."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pasta_core.errors import Cancelled, ModelUnavailable
from pasta_core.worker.frames import Frame, read_frames
from pasta_core.worker.handover import Handover
from pasta_core.worker.relay import WriterRelay
from pasta_core.worker.station import Call, Channel

ROOT = Path(__file__).parents[2]


class Wire:
    """The worker's own channel, read back."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.sink = Channel(writing)
        self.frames: list[Frame] = []
        self._stream = os.fdopen(reading, "rb", buffering=0)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for frame in read_frames(self._stream):
            self.frames.append(frame)

    def call(self, number: int, verb: str = "write") -> Call:
        data = {"kind": "call", "id": number, "verb": verb, "args": {}}
        return Call(Frame(data, {}), self.sink)

    def answered(self, number: int) -> Frame:
        wait_for(lambda: any(frame.data["id"] == number for frame in self.frames))
        return next(frame for frame in self.frames if frame.data["id"] == number)


def wait_for(done: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def make(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., WriterRelay]]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    relays = []

    def made(seconds: float = 0.0, **more: object) -> WriterRelay:
        command = [sys.executable, "-m", "tests.support.small_writer", str(seconds)]
        relays.append(WriterRelay(command, wire.sink, **more))  # type: ignore[arg-type]
        return relays[-1]

    yield made
    for relay in relays:
        relay.leave(lambda: False)


def never() -> bool:
    return False


def test_a_writer_that_leaves_has_answered_first(make: Callable[..., WriterRelay], wire: Wire) -> None:
    told: list[tuple[int, float, int]] = []
    relay = make(0.3, answered=lambda *it: told.append(it), environment={"SMALL_WRITER": "told"})
    relay.write(wire.call(1))
    first = relay.pid
    relay.leave(never)
    assert relay.pid is None
    assert wire.answered(1).data["data"]["candidates"] == [["a red train", "told"]]
    ((pid, seconds, count),) = told
    assert pid == first and count == 1 and seconds >= 0.3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    relay.leave(never)
    assert relay.pid is None, "nobody is there to leave"
    relay.write(wire.call(2))
    assert relay.pid not in (None, first)
    assert wire.answered(2).data["kind"] == "result"


def test_who_waits_for_it_can_give_up(make: Callable[..., WriterRelay], wire: Wire) -> None:
    relay = make(30.0)
    relay.write(wire.call(1))
    with pytest.raises(Cancelled):
        relay.leave(lambda: True)
    assert relay.pid is not None, "it goes on writing"
    relay.cancel(1)
    assert wire.answered(1).data["data"]["error"]["class"] == "Cancelled"
    relay.leave(never)


class Models:
    """Notes who has the GPU."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def park(self) -> None:
        self.said.append("park")

    def unpark(self) -> None:
        self.said.append("unpark")

    def release(self) -> None:
        self.said.append("release")


@pytest.mark.parametrize("park", [True, False])
def test_the_painter_has_the_gpu_alone_and_gives_it_back(
    make: Callable[..., WriterRelay], wire: Wire, park: bool
) -> None:
    relay, models = make(), Models()
    pids: list[int | None] = []
    handover = Handover(relay, models, park=park)

    def paint(call: Call) -> None:
        pids.append(relay.pid)
        models.said.append("paint")
        if call.id == 3:
            raise ValueError("a painter that fails")

    painting = handover.painting(paint)
    painting(wire.call(1, "paint"))
    warmed = relay.pid
    handover.write(wire.call(2))
    assert wire.answered(2).data["kind"] == "result" and relay.pid == warmed is not None
    with pytest.raises(ValueError, match="fails"):
        painting(wire.call(3, "paint"))
    assert pids == [None, None]
    assert relay.pid not in (None, warmed), "also after a failure"
    gone = ["park", "release"] if park else ["release"]
    painted = ["unpark", "paint", *gone] if park else ["paint", *gone]
    assert models.said == [*painted, *gone, *painted]


def test_a_painter_that_does_not_come_back_leaves_the_gpu_to_the_writer(
    make: Callable[..., WriterRelay], wire: Wire
) -> None:
    class Stuck(Models):
        def unpark(self) -> None:
            raise ModelUnavailable("there is not enough memory on the device for the painter")

    relay, models = make(), Stuck()
    with pytest.raises(ModelUnavailable):
        Handover(relay, models, park=True).painting(lambda call: None)(wire.call(1, "paint"))
    assert models.said == ["park", "release"] and relay.pid is not None


def test_a_cancel_while_the_painter_parks_is_not_lost(make: Callable[..., WriterRelay], wire: Wire) -> None:
    relay, call = make(30.0), wire.call(1)

    class Slow(Models):
        def park(self) -> None:
            # as the reading thread does
            call.cancel()
            relay.cancel(call.id)

    with pytest.raises(Cancelled):
        Handover(relay, Slow(), park=True).write(call)
