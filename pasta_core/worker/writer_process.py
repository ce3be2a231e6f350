"""The process that writes: `python -m pasta_core.worker.writer_process --profile NAME`.

It owns llama.cpp alone: a grammar error inside it aborts its process, and here that costs one call, not the
painter. With `--slots N` it writes so many calls side by side (`agent.slot_writer`), as simulations want it.
A writer behind a URL needs no model here, and is asked for as many texts at a time. `--no-gpu` leaves GPUs
to the painter.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pasta_core.agent.requests import WriteRequest
from pasta_core.errors import PastaError
from pasta_core.settings import WriterProfile
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, package_version
from pasta_core.worker.station import Call, Station, claim_stdio

if TYPE_CHECKING:
    from pasta_core.agent.slot_writer import SlotWriter
    from pasta_core.agent.writer import CandidateWriter
    from pasta_core.domain import Candidate

log = logging.getLogger(__name__)


class WriterDesk:
    """Holds the language model and answers `write`."""

    def __init__(self, load: Callable[[], WriterProfile], key: str, *, gpu: bool) -> None:
        self._load = load
        self._gpu = gpu
        self._key = key
        self._writer: CandidateWriter | None = None

    def writer(self) -> CandidateWriter:
        """The model, loaded on first use; a failed load is tried again next time."""
        if self._writer is None:
            from pasta_core.agent.writer import open_writer

            self._writer = open_writer(self._load(), self._key, gpu=self._gpu)
        return self._writer

    def warm(self) -> None:
        """Load ahead of the first call; what fails here is said when the model is asked for."""
        try:
            self.writer()
        except PastaError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("the writer did not load")

    def write(self, call: Call) -> None:
        """Write the candidates of one turn."""
        request = WriteRequest.from_json(call.args["request"])
        candidates = self.writer().write(
            request, call.cancelled, call.progress, pictures=call.arrays, note=call.note
        )
        call.result(_written(candidates))

    def work(self, station: Station, at_once: int) -> None:
        """Answer for ever, so many calls at a time; for a writer that may be used from several threads."""

        def answer(call: Call) -> None:
            try:
                self.write(call)
            except BrokenPipeError:
                os._exit(0)
            except Exception as error:
                if not isinstance(error, PastaError):
                    log.exception("write failed")
                call.error(error)
            finally:
                station.close(call)

        threads = ThreadPoolExecutor(at_once, "writer")
        while True:
            call = station.take(wait=True)
            if call is not None:
                threads.submit(answer, call)


class WriterRoom:
    """Holds the language model and answers as many `write` calls at a time as it has slots."""

    def __init__(self, load: Callable[[], WriterProfile], slots: int, *, gpu: bool) -> None:
        self._load = load
        self._gpu = gpu
        self._slots = slots
        self._writer: SlotWriter | None = None

    def writer(self) -> SlotWriter:
        """The model, loaded on first use; a failed load is tried again next time."""
        if self._writer is None:
            from pasta_core.agent.slot_writer import SlotWriter

            self._writer = SlotWriter(self._load(), self._slots, gpu=self._gpu)
        return self._writer

    def work(self, station: Station) -> None:
        """Answer for ever."""
        busy = 0

        def begin(call: Call) -> None:
            nonlocal busy

            def finished(outcome: tuple[Candidate, ...] | PastaError) -> None:
                nonlocal busy
                busy -= 1
                if isinstance(outcome, PastaError):
                    call.error(outcome)
                else:
                    call.result(_written(outcome))
                station.close(call)

            busy += 1
            try:
                request = WriteRequest.from_json(call.args["request"])
                self.writer().begin(request, call.cancelled, call.progress, finished, call.note)
            except BrokenPipeError:
                os._exit(0)
            except Exception as error:
                busy -= 1
                log.exception("write failed")
                call.error(error)
                station.close(call)

        while True:
            while busy < self._slots and (call := station.take(wait=not busy)) is not None:
                begin(call)
            try:
                self.writer().advance()
            except BrokenPipeError:
                os._exit(0)


def _written(candidates: tuple[Candidate, ...]) -> dict[str, Any]:
    return {"candidates": [[candidate.prompt, candidate.category] for candidate in candidates]}


def main(arguments: list[str]) -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", required=True)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--no-gpu", dest="gpu", action="store_false")
    options = parser.parse_args(arguments)
    source, sink = claim_stdio()
    logging.basicConfig(format="%(asctime)s writer %(levelname)s %(message)s")
    logging.getLogger("pasta_core").setLevel(logging.INFO)
    sink.send(Hello(NAME, PROTOCOL, package_version(), options.profile, os.getpid()).to_json())

    def load() -> WriterProfile:
        from pasta_core.paths import locate
        from pasta_core.profiles import load_profile

        return load_profile(options.profile, locate(os.environ)).writer

    desk = WriterDesk(load, os.environ.get("PASTA_WRITER_KEY", ""), gpu=options.gpu)
    station = Station(source, sink, queued={"write": desk.write})
    station.start()
    if options.slots > 1 and _served(load):
        desk.work(station, options.slots)
    if options.slots > 1:
        WriterRoom(load, options.slots, gpu=options.gpu).work(station)
    desk.warm()
    station.work()


def _served(load: Callable[[], WriterProfile]) -> bool:
    """Whether a server writes; a profile that cannot be read is complained of when a text is asked for."""
    try:
        return bool(load().url)
    except PastaError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
