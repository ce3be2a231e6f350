"""A worker that is asked for previews sends them beside the images, which they leave as they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from pasta_core.domain import PaintedImage
from pasta_core.paths import find_assets
from pasta_core.worker.remote_models import WorkerPainter
from pasta_core.worker.services import Worker, local_command

PROMPTS, SEEDS = ["a red train", "a cat at night"], [[1, 2, 3, 4], [5, 6]]


def test_previews_cross_the_wire_to_who_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    AutoencoderTiny(latent_channels=8).save_pretrained(tmp_path / "taesd")
    root = find_assets() / "micro"
    profiles = tmp_path / "config" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "seen.toml").write_text(
        f'extends = "micro"\n[painter]\npreview = "{tmp_path}/taesd"\nmodel = "{root}/painter"\n'
    )
    monkeypatch.setenv("PASTA_CONFIG_DIR", str(profiles.parent))

    async def paint(painter: WorkerPainter) -> list[PaintedImage]:
        return [it async for it in painter.paint(PROMPTS, SEEDS, lambda done, total: None)]

    async def use() -> tuple[list[PaintedImage], list[PaintedImage]]:
        command = local_command("seen", "--threads", "1")
        async with Worker(command, tmp_path / "log", handshake=300, previews=True) as worker:
            return await paint(worker.painter), await paint(WorkerPainter(worker))

    seen, plain = asyncio.run(use())
    assert not any(it.preview for it in plain)
    images = [it for it in seen if not it.preview]
    assert [(it.column, it.index) for it in images] == [
        (c, i) for c, row in enumerate(SEEDS) for i in range(len(row))
    ]
    assert [it.image.sha256 for it in images] == [it.image.sha256 for it in plain]
    previews = [it for it in seen if it.preview]
    # four steps, and a look after each
    assert len(previews) == 4 * len(images)
    assert all(it.image.embedding is None and it.image.pixels.shape == (64, 64, 3) for it in previews)
    for place in ((0, 0), (1, 1)):
        mine = [n for n, it in enumerate(seen) if (it.column, it.index) == place]
        assert [seen[n].preview for n in mine] == [True] * 4 + [False]
        assert len({it.image.pixels.tobytes() for it in (seen[n] for n in mine)}) == 5
    assert np.isfinite(images[0].image.embedding).all()
