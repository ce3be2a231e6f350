"""The process that owns llama.cpp alone: `python -m pasta_core.worker.writer_process --profile NAME`.

A grammar error inside llama.cpp aborts its process; here that costs one call, not the painter.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pasta_core.agent.requests import WriteRequest
from pasta_core.errors import PastaError
from pasta_core.settings import WriterProfile
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, package_version
from pasta_core.worker.station import Call, Station, claim_stdio

if TYPE_CHECKING:
    from pasta_core.agent.writer import LlamaWriter

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
        call.result({"candidates": [[candidate.prompt, candidate.category] for candidate in candidates]})


def main(arguments: list[str]) -> None:
    """Serve until stdin ends."""
    source, sink = claim_stdio()
    logging.basicConfig(format="%(asctime)s writer %(levelname)s %(message)s")
    logging.getLogger("pasta_core").setLevel(logging.INFO)
    _, name = arguments
    sink.send(Hello(NAME, PROTOCOL, package_version(), name, os.getpid()).to_json())

    def load() -> WriterProfile:
        from pasta_core.paths import locate
        from pasta_core.profiles import load_profile

        return load_profile(name, locate(os.environ)).writer

    desk = WriterDesk(load)
    station = Station(source, sink, queued={"write": desk.write})
    station.start()
    desk.warm()
    station.work()


if __name__ == "__main__":
    main(sys.argv[1:])
