"""The shipped micro models are what their cards say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.recipes.clip_bars import recall_at_one
from pasta_core.microworld.recipes.dataset import draw_held_out
from pasta_core.microworld.recipes.eyes_recipe import accuracy
from pasta_core.microworld.recipes.painter_bars import BARS, painter_accuracy
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.users.clip import ClipEncoder

MICRO = Path(__file__).parents[2] / "assets" / "micro"

LARGEST_FILE = 16 * 2**20
LARGEST_FOLDER = 48 * 2**20


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return Eyes.load(MICRO / "eyes")


def _card(part: str) -> Any:
    return json.loads((MICRO / part / "bars.json").read_text())


def test_the_eyes_see_what_was_drawn(eyes: Eyes) -> None:
    measured = accuracy(eyes, draw_held_out(1, 400))
    assert min(measured.values()) >= 0.97


def test_clip_finds_the_picture_of_a_caption() -> None:
    clip = ClipEncoder.load(MICRO / "clip")
    assert recall_at_one(clip, draw_held_out(1, 300), seed=1) >= 0.85


def test_diffusers_loads_the_painter_as_it_is() -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(
        MICRO / "painter", dtype=torch.float32, local_files_only=True, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    image = pipe(
        "a red train", height=64, width=64, num_inference_steps=2, guidance_scale=1.0, output_type="np"
    ).images[0]
    assert image.shape == (64, 64, 3)
    assert np.isfinite(image).all()


def test_the_painter_paints_as_well_as_its_card_says(eyes: Eyes) -> None:
    painter = DiffusersPainter.load(load_profile("micro", locate({})).painter, lanes=2)
    count = 160
    measured = painter_accuracy(painter, eyes, count, 1, lambda done, total: None)
    assert all(measured[name] >= bar for name, bar in BARS.items()), measured
    for name, stated in _card("painter")["painted"].items():
        error = math.sqrt(stated * (1 - stated) / count) + 1 / count
        assert abs(measured[name] - stated) < 4 * error, name


def test_what_ships_is_small_and_nothing_is_pickled() -> None:
    files = [path for path in MICRO.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= LARGEST_FILE
    assert sum(path.stat().st_size for path in files) <= LARGEST_FOLDER
    allowed = {".safetensors", ".gguf", ".json", ".txt", ".toml", ".md", ".png"}
    assert {path.suffix for path in files} <= allowed
