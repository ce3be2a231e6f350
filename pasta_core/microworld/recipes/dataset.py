"""Drawn scenes as training data: drawn once by all processors, kept in one memory-mapped file."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Pixels
from pasta_core.microworld.drawer import SIDE, draw
from pasta_core.microworld.grammar import Scene, held_out_scenes, sample_scene
from pasta_core.seeds import derive_seed

__all__ = ["DrawnScenes", "draw_held_out", "draw_training_scenes"]

CHUNK = 1000

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class DrawnScenes:
    """Pictures and their labels: `pixels` (n, 64, 64, 3) uint8, `labels` (n, 6) positions in `ATTRIBUTES`."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def _training_chunk(seed: int, chunk: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    rng = random.Random(derive_seed(seed, "training scenes", chunk))
    scenes = [sample_scene(rng) for _ in range(CHUNK)]
    return _drawn(scenes, derive_seed(seed, "drawing", chunk))


def _drawn(scenes: list[Scene], seed: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    pixels = np.stack([draw(scene, derive_seed(seed, index)) for index, scene in enumerate(scenes)])
    return pixels, np.array([scene.labels for scene in scenes], np.int64)


def draw_training_scenes(work: Path, count: int, seed: int, report: Report) -> DrawnScenes:
    """Draw `count` training scenes (a multiple of 1,000) into `work`, or open them if they lie there.

    Held-out scenes never occur. An interrupted drawing starts again.
    """
    folder = work / f"scenes-{seed}-{count}"
    finished = folder / "finished.json"
    shape = (count, SIDE, SIDE, 3)
    if not finished.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
        labels = np.empty((count, 6), np.int64)
        chunks = count // CHUNK
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for chunk, (drawn, said) in enumerate(pool.map(_training_chunk, [seed] * chunks, range(chunks))):
                pixels[chunk * CHUNK : (chunk + 1) * CHUNK] = drawn
                labels[chunk * CHUNK : (chunk + 1) * CHUNK] = said
                report((chunk + 1) * CHUNK, count)
        pixels.flush()
        np.save(folder / "labels.npy", labels)
        finished.write_text(json.dumps({"count": count, "seed": seed}))
    return DrawnScenes(np.load(folder / "pixels.npy", mmap_mode="r"), np.load(folder / "labels.npy"))


def draw_held_out(seed: int, count: int | None = None) -> DrawnScenes:
    """Draw the held-out scenes (the first `count` of them), once each."""
    return DrawnScenes(*_drawn(list(held_out_scenes()[:count]), derive_seed(seed, "held-out")))
