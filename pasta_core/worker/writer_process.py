"""The process that owns llama.cpp alone: `python -m pasta_core.worker.writer_process --profile NAME`.

With `--slots N` it writes so many calls side by side (`agent.slot_writer`), as simulations want it.

A grammar error inside llama.cpp aborts its process; here that costs one call, not the painter.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pasta_core.agent.requests import WriteRequest
from pasta_core.errors import PastaError
from pasta_core.settings import WriterProfile
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, package_version
from pasta_core.worker.station import Call, Station, claim_stdio

if TYPE_CHECKING:
    from pasta_core.agent.slot_writer import SlotWriter
    from pasta_core.agent.writer import LlamaWriter
    from pasta_core.domain import Candidate

log = logging.getLogger(__name__)


class WriterDesk:
    """Holds the language model and answers `write`."""

    def __init__(self, load: Callable[[], WriterProfile]) -> None:
        self._load = load
        self._writer: LlamaWriter | None = None

    def writer(self) -> LlamaWriter:
        """The model, loaded on first use; a failed load is tried again next time."""
        if self._writer is None:
            from pasta_core.agent.writer import LlamaWriter

            self._writer = LlamaWriter(self._load())
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
        candidates = self.writer().write(request, call.cancelled, call.progress)
        call.result(_written(candidates))


class WriterRoom:
    """Holds the language model and answers as many `write` calls at a time as it has slots."""

    def __init__(self, load: Callable[[], WriterProfile], slots: int) -> None:
        self._load = load
        self._slots = slots
        self._writer: SlotWriter | None = None

    def writer(self) -> SlotWriter:
        """The model, loaded on first use; a failed load is tried again next time."""
        if self._writer is None:
            from pasta_core.agent.slot_writer import SlotWriter

            self._writer = SlotWriter(self._load(), self._slots)
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
                self.writer().begin(request, call.cancelled, call.progress, finished)
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
    options = parser.parse_args(arguments)
    source, sink = claim_stdio()
    logging.basicConfig(format="%(asctime)s writer %(levelname)s %(message)s")
    logging.getLogger("pasta_core").setLevel(logging.INFO)
    sink.send(Hello(NAME, PROTOCOL, package_version(), options.profile, os.getpid()).to_json())

    def load() -> WriterProfile:
        from pasta_core.paths import locate
        from pasta_core.profiles import load_profile

        return load_profile(options.profile, locate(os.environ)).writer

    desk = WriterDesk(load)
    station = Station(source, sink, queued={"write": desk.write})
    station.start()
    if options.slots > 1:
        WriterRoom(load, options.slots).work(station)
    desk.warm()
    station.work()


if __name__ == "__main__":
    main(sys.argv[1:])
