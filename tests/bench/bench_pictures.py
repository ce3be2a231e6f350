"""What updating 16 thumbnails at 160x50 costs the interface: `python -m tests.bench.bench_pictures`.

Frames are rendered to text as for a real terminal. Prints one JSON document, medians in milliseconds:

- `update_16`: the interface thread's processor time from setting 16 pictures to the last frame with them,
- `floor`: the same for the same number of `pilot.pause()` with nothing to do,
- `wall`: the time on the clock, `floor_wall` that of its floor,
- `beside`: processor time of the threads that encode,
- `longest_block`: the longest that the event loop did not answer meanwhile,
- `kilobytes`: what is written to the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.pilot import Pilot

from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene
from pasta_tui.terminal.capabilities import CellSize
from pasta_tui.terminal.graphics import Graphics, Protocol
from pasta_tui.widgets.picture import Picture
from tests.support.graphic_terminal import RecordingApp

Pixels = npt.NDArray[np.uint8]
COUNT = 16


class Slate(RecordingApp):
    """A 4 x 4 grid with borders on the containers, as the interface has it."""

    CSS = "Grid { grid-size: 4 4; } Vertical { border: round gray; }"

    def __init__(self, protocol: Protocol) -> None:
        self.graphics = Graphics(protocol, cell=CellSize(10, 20))
        super().__init__()

    def compose(self) -> ComposeResult:
        with Grid():
            for place in range(COUNT):
                with Vertical():
                    yield Picture(self.graphics, placeholder=f"{place}")


def scenes(seed: int, size: int) -> list[Pixels]:
    """16 drawn scenes, enlarged to `size` pixels."""
    rng = random.Random(seed)
    drawn = [draw(sample_scene(rng), seed + place) for place in range(COUNT)]
    return [np.asarray(Image.fromarray(one).resize((size, size))) for one in drawn]


async def update(app: Slate, pilot: Pilot[None], pictures: list[Pixels] | None) -> dict[str, float]:
    """Set the pictures (or do nothing) and wait for their last frame."""
    app.taken()
    blocks: list[float] = []
    watch = asyncio.create_task(watched(blocks))
    wall, own, all_threads = time.perf_counter(), time.thread_time(), time.process_time()
    for picture, pixels in zip(app.query(Picture), pictures or [], strict=False):
        picture.pixels = pixels
    await pilot.pause()
    await app.workers.wait_for_complete()
    await pilot.pause()
    own = time.thread_time() - own
    took = {
        "own": own,
        "beside": time.process_time() - all_threads - own,
        "wall": time.perf_counter() - wall,
    }
    watch.cancel()
    return took | {"block": max(blocks, default=0.0), "bytes": len(app.taken().encode()) / 1e6}


async def watched(blocks: list[float]) -> None:
    """Note how late the event loop wakes from a short sleep."""
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(0.002)
        blocks.append(time.perf_counter() - begin - 0.002)


async def measure(protocol: Protocol, size: int, repeats: int) -> dict[str, Any]:
    """Medians of one protocol, in milliseconds and kilobytes."""
    app = Slate(protocol)
    async with app.run_test(size=(160, 50)) as pilot:
        await update(app, pilot, scenes(0, size))
        floors = [await update(app, pilot, None) for _ in range(repeats)]
        pictures = [scenes(1 + number, size) for number in range(repeats)]
        updates = [await update(app, pilot, some) for some in pictures]

    def median(rows: list[dict[str, float]], key: str) -> float:
        return round(1000 * statistics.median(row[key] for row in rows), 1)

    return {
        "update_16": median(updates, "own"),
        "floor": median(floors, "own"),
        "wall": median(updates, "wall"),
        "floor_wall": median(floors, "wall"),
        "beside": median(updates, "beside"),
        "longest_block": median(updates, "block"),
        "kilobytes": median(updates, "bytes"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pixels", type=int, default=64, help="side of the pictures (default: 64)")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    report: dict[str, Any] = {
        protocol.value: asyncio.run(measure(protocol, options.pixels, options.repeats))
        for protocol in (Protocol.HALF, Protocol.KITTY, Protocol.SIXEL)
    }
    report |= {"pixels": options.pixels, "cores": len(os.sched_getaffinity(0))}
    report["load"] = round(os.getloadavg()[0], 2)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
