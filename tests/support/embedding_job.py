"""Embeds a folder of pictures into a store, as a program that can be killed: `FOLDER STORE [SECONDS]`.

The encoder is a fixed random projection of an image's mean colours; SECONDS is how long it takes for a chunk.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pasta_core.data.embeddings_run import EmbeddingJob, EmbeddingProgress, EmbeddingSummary, embed_source
from pasta_core.data.images import FileImage
from pasta_core.data.records import Kind, Pair, Tally

FINGERPRINT = hashlib.sha256(b"projection").hexdigest()
DIMENSION = 6


class Projection:
    """Embeds by a fixed linear map of the mean colour, or of the letters."""

    dimension = DIMENSION

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._map = np.random.default_rng(0).normal(size=(3, DIMENSION)).astype(np.float32)
        self.images = 0
        self.texts = 0

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        time.sleep(self._seconds)
        self.images += len(images)
        return np.stack([image.mean((0, 1), np.float32) @ self._map for image in images])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        time.sleep(self._seconds)
        self.texts += len(texts)
        "".join(texts).encode()
        codes = [[len(text), sum(map(ord, text)) % 101, text.count("1")] for text in texts]
        return np.array(codes, np.float32) @ self._map


@dataclass(frozen=True)
class Folder:
    """Every picture of a folder, each paired with the next one, all of one rater."""

    path: Path
    kind = Kind.HPD
    splits = ("test",)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Pair]:
        files = sorted(self.path.iterdir())
        images = [FileImage(file.name, file) for file in files]
        for number, (first, second) in enumerate(zip(images, [*images[1:], images[0]], strict=True)):
            yield Pair(f"prompt {number // 3}", (first, second), 1.0, "a", "a")


def paint(folder: Path, count: int) -> None:
    """Make a folder of small pictures, two of which are equal and one of which is none."""
    folder.mkdir()
    rng = np.random.default_rng(count)
    for number in range(count):
        pixels = rng.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.png")
    (folder / "00002.png").write_bytes((folder / "00001.png").read_bytes())
    (folder / "00003.png").write_bytes(b"no picture")


def embed(folder: Path, store: Path, encoder: Projection, **options: object) -> EmbeddingSummary:
    """Embed the folder; `options` are those of `EmbeddingJob`."""
    job = EmbeddingJob(
        store, encoder, FINGERPRINT, "float16", **({"clock": time.monotonic, "shard_rows": 100} | options)
    )  # type: ignore[arg-type]
    return embed_source(job, Folder(folder), "test", Tally())


def main() -> None:
    """Embed, saying after every chunk how far it is."""

    def report(progress: EmbeddingProgress) -> None:
        print(progress.kind, progress.done, flush=True)

    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    embed(Path(sys.argv[1]), Path(sys.argv[2]), Projection(seconds), report=report, flush_seconds=0.0)


if __name__ == "__main__":
    main()
