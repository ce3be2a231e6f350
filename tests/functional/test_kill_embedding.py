"""SIGKILL of a program that embeds: what was durable stays where it is, and the end is the same bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.embeddings import EmbeddingStore
from tests.support.embedding_job import FINGERPRINT, Projection, embed, paint

PICTURES = 700


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "pictures"
    paint(folder, PICTURES)
    return folder


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    store = tmp_path_factory.mktemp("whole")
    summary = embed(pictures, store, Projection())
    assert (summary.images, summary.unreadable) == (PICTURES, 1)
    return files(store)


def files(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


def rows(store: Path) -> list[np.ndarray]:
    """Every durable row, images and texts."""
    opened = EmbeddingStore(store, FINGERPRINT)
    return [np.array(shelf.array) for shelf in (opened.images, opened.texts)]


def run_and_kill(pictures: Path, store: Path, lines: int) -> bool:
    """Kill the program after so many lines of progress; False where it had come to its end."""
    command = [sys.executable, "-m", "tests.support.embedding_job", str(pictures), str(store), "0.005"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for _, _ in zip(range(lines), process.stdout, strict=False):
            pass
        ended = process.poll() is not None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return not ended


@pytest.mark.parametrize("number", range(3))
def test_a_killed_run_goes_on_to_the_same_files(
    tmp_path: Path, pictures: Path, whole: dict[str, bytes], number: int
) -> None:
    draw = random.Random(number)
    killed, before = 0, rows(tmp_path)
    for _ in range(3):
        killed += run_and_kill(pictures, tmp_path, draw.randrange(1, 10))
        after = rows(tmp_path)
        for old, new in zip(before, after, strict=True):
            assert new.tolist()[: len(old)] == old.tolist()
        before = after
    assert killed, "no run was killed before its end"
    summary = embed(pictures, tmp_path, Projection())
    assert files(tmp_path) == whole
    assert summary.dropped == 0
