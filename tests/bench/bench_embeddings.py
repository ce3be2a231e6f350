"""How fast the embedding store feeds a training step: `python -m tests.bench.bench_embeddings`.

Prints one JSON document: samples a second (a pair is three rows) of one gather a step, and of a loader that
takes item by item, side by side on the same rows, and the machine's load.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pasta_core.data.embeddings import EmbeddingShelf, EmbeddingStore, text_hash
from pasta_core.data.embeddings_shards import SHARD_ROWS, Header
from pasta_core.data.embeddings_writer import writing

ENCODER = "ab" * 32


class Items(Dataset[torch.Tensor]):
    """The same pairs one by one, as a map-style data set gives them."""

    def __init__(self, shelf: EmbeddingShelf, rows: np.ndarray) -> None:
        self._shelf = shelf
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self._shelf.gather(self._rows[index], np.float16))


def fill(root: Path, rows: int, dimension: int) -> EmbeddingShelf:
    """A store of random rows."""
    rng = np.random.default_rng(0)
    with writing(root, Header(ENCODER, "image", dimension, "float16")) as writer:
        for start in range(0, rows, SHARD_ROWS):
            names = [text_hash(str(number)) for number in range(start, min(start + SHARD_ROWS, rows))]
            writer.add(names, rng.normal(size=(len(names), dimension)).astype(np.float32))
    return EmbeddingStore(root, ENCODER).images


def rate(step: Callable[[], Any], batch: int, seconds: float) -> float:
    """Samples a second of CPU time: other work on the machine does not count."""
    step()
    steps, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        step()
        steps += 1
    return batch * steps / (time.process_time() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=65536)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        shelf = fill(Path(folder), asked.rows, asked.dimension)
        rows = rng.integers(0, asked.rows, (asked.batch, 3))
        loader = DataLoader(Items(shelf, rows), asked.batch)
        gathered = rate(lambda: torch.from_numpy(shelf.gather(rows, np.float16)), asked.batch, asked.seconds)
        loaded = rate(lambda: next(iter(loader)), asked.batch, asked.seconds)
    document = {
        "gather_samples_per_second": round(gathered),
        "loader_samples_per_second": round(loaded),
        "ratio": round(gathered / loaded, 1),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
