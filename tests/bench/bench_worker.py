"""How fast a worker greets, paints, stops and closes: `python -m tests.bench.bench_worker`.

Prints one JSON document: medians in seconds, CPU seconds of the worker for 16 images, and the machine's load,
without which none of them means much.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from pasta_core.worker.services import Worker, local_command
from tests.support.cpu_time import cpu_seconds_of

PROMPTS = ["a red train in the snow", "a blue cat at night", "a train", "the snow at night"]


async def paint(worker: Worker, seed: int) -> tuple[float, float]:
    """Seconds until the first column, and until all 16 images."""
    begin = time.perf_counter()
    arrived = []
    seeds = [[seed + 4 * column + index for index in range(4)] for column in range(4)]
    async for _ in worker.painter.paint(PROMPTS, seeds, lambda done, total: None):
        arrived.append(time.perf_counter() - begin)
    return arrived[3], arrived[-1]


async def stop(worker: Worker) -> float:
    """Seconds from a cancel in the middle of painting to the worker's next answer."""
    started = asyncio.Event()

    async def long() -> None:
        painting = worker.painter.paint(["a cat"] * 40, [[1, 2, 3, 4]] * 40, lambda *step: started.set())
        async with aclosing(painting):
            async for _ in painting:
                pass

    task = asyncio.create_task(long())
    await started.wait()
    task.cancel()
    begin = time.perf_counter()
    with suppress(asyncio.CancelledError):
        await task
    await worker.embed_texts(["a cat"])
    return time.perf_counter() - begin


async def measure(profile: str, repeats: int) -> dict[str, Any]:
    """All figures of one worker."""
    begin = time.perf_counter()
    worker = Worker(local_command(profile), Path(tempfile.mkdtemp()) / "worker.log")
    await worker.start()
    greeting = time.perf_counter() - begin
    await paint(worker, 0)
    ready = time.perf_counter() - begin
    pid = (await worker.status())["pid"]
    before = cpu_seconds_of(pid)
    paintings = [await paint(worker, 100 * number) for number in range(1, repeats + 1)]
    cpu = (cpu_seconds_of(pid) - before) / repeats
    stops = [await stop(worker) for _ in range(repeats)]
    begin = time.perf_counter()
    await worker.close()
    return {
        "profile": profile,
        "greeting": round(greeting, 3),
        "cold_start_16_images": round(ready, 3),
        "first_column": round(statistics.median(first for first, _ in paintings), 3),
        "images_16": round(statistics.median(last for _, last in paintings), 3),
        "images_16_best": round(min(last for _, last in paintings), 3),
        "images_16_cpu": round(cpu, 3),
        "cancel_to_next_answer": round(statistics.median(stops), 3),
        "close": round(time.perf_counter() - begin, 3),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="micro")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.profile, options.repeats)), indent=2))


if __name__ == "__main__":
    main()
