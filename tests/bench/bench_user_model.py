"""How fast the user model learns: `python -m tests.bench.bench_user_model [--batch N] [--types K]`.

Side by side, at the widths of the `paper` preset (d = 768): a whole training step (gather, E-step, M-step,
optimiser), the same step's matrix products alone, and encoding its images with a ViT-L-14, which a trainer
without an embedding store does every step. Times are CPU seconds of this process, so that another load on the
machine blurs them less; one image is encoded and the step's number of images extrapolated. The batch is
smaller than the paper's 2,048 unless asked for: the share of the products only grows with it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pasta_core.training.devices import OneDevice
from pasta_core.training.em_state import EmState
from pasta_core.training.label_batches import LabelSampler
from pasta_core.training.presets import PRESETS
from pasta_core.training.single_turn import SingleTurn
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.cpu_time import cpu_seconds
from tests.support.planted_mixture import Mixture, plant

D = 768


def products(rows: int, types: int) -> Callable[[], None]:
    """The matrix products of one encoder and step: target and live forward, and both gradients."""
    widths = (D, 2 * D, 4 * D, types * D)
    layers = [(torch.randn(rows, a), torch.randn(b, a), torch.randn(rows, b)) for a, b in pairwise(widths)]

    def run() -> None:
        for number, (inputs, weight, gradient) in enumerate(layers):
            for _ in range(2):
                torch.mm(inputs, weight.T)
            torch.mm(gradient.T, inputs)
            if number:
                torch.mm(gradient, weight)

    return run


def encode_one_image() -> Callable[[], object]:
    """A forward pass of ViT-L-14's vision tower on one image; random weights take as long as trained ones."""
    from open_clip.transformer import VisionTransformer

    tower = VisionTransformer(224, 14, 1024, 24, 16, 4.0, output_dim=D).eval()
    pixels = torch.randn(1, 3, 224, 224)

    def run() -> object:
        with torch.inference_mode():
            return tower(pixels)

    return run


def measure(batch: int, types: int, repeats: int, encode: bool) -> dict[str, Any]:
    """All figures."""
    mixture = Mixture(types=types, raters=300, pairs=24, dimension=D, images=12_000, prompts=600)
    labels = plant(mixture).labels
    config = replace(PRESETS["paper"].single_turn, batch=batch)
    torch.manual_seed(0)
    state = EmState(UserModel(UserModelConfig(D, types)))
    phase = SingleTurn(state, labels, config, 0, OneDevice())
    optimizer = torch.optim.AdamW([one for one in state.parameters() if one.requires_grad], fused=True)
    steps = iter(range(1, 10_000))

    def step() -> None:
        loss = phase(next(steps))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    drawn = LabelSampler(labels, batch, 0).batch(1, torch.device("cpu"))
    images, texts = len(drawn.images), len(drawn.texts)
    whole = cpu_seconds(step, repeats)
    multiply = cpu_seconds(products(images, types), repeats) + cpu_seconds(products(texts, types), repeats)
    rows = np.sort(np.random.default_rng(0).integers(0, len(labels.images), images))
    gather = cpu_seconds(lambda: labels.images.gather(rows), repeats)
    figures: dict[str, Any] = {
        "dimension": D,
        "types": types,
        "batch": batch,
        "images": images,
        "texts": texts,
        "step_cpu_seconds": round(whole, 4),
        "products_cpu_seconds": round(multiply, 4),
        "products_share": round(multiply / whole, 3),
        "gather_cpu_seconds": round(gather, 5),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
    }
    if encode:
        one = cpu_seconds(encode_one_image(), 1)
        figures["encode_one_image_cpu_seconds"] = round(one, 3)
        figures["encoding_each_step_times_slower"] = round((whole + images * one) / whole, 1)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--types", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-encode", action="store_true")
    options = parser.parse_args()
    figures = measure(options.batch, options.types, options.repeats, not options.no_encode)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
