"""A writer process without a model: `python -m tests.support.small_writer SECONDS`, which a request takes."""

from __future__ import annotations

import os
import sys
import time

from pasta_core.errors import Cancelled
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, package_version
from pasta_core.worker.station import Call, Station, claim_stdio


def main(seconds: float) -> None:
    source, sink = claim_stdio()
    sink.send(Hello(NAME, PROTOCOL, package_version(), "micro", os.getpid()).to_json())

    def write(call: Call) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if call.cancelled():
                raise Cancelled("cancelled")
            time.sleep(0.005)
        call.result({"candidates": [["a red train", os.environ.get("SMALL_WRITER", "")]]})

    station = Station(source, sink, queued={"write": write})
    station.start()
    station.work()


if __name__ == "__main__":
    main(float(sys.argv[1]))
