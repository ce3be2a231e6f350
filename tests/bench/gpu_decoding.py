"""Turning latents into pictures: the whole autoencoder in chunks of several sizes, and the tiny one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_flops import decode_flops
from tests.bench.gpu_sizes import Sizes


def decode(bench: Bench, sizes: Sizes) -> None:
    """The plain way is the pipeline's own: all images of a call at once, weights as they were loaded."""
    device, dtype, count = bench.machine.device, sizes.dtype, sizes.decoded
    side = sizes.pixels // 8
    latents = torch.randn(count, 4, side, side, generator=torch.Generator().manual_seed(0))
    latents = latents.to(device, dtype)
    plain = gpu_models.made(lambda: gpu_models.autoencoder(sizes.full), device, dtype)
    last = gpu_models.made(lambda: gpu_models.autoencoder(sizes.full), device, dtype)
    last.to(memory_format=torch.channels_last)
    tiny = gpu_models.made(lambda: gpu_models.tiny_autoencoder(sizes.full), device, dtype)
    tiny.to(memory_format=torch.channels_last)

    def way(name: str, model: Any, chunk: int) -> Way:
        flops = count * decode_flops(sizes.full, sizes.pixels, tiny=model is tiny)
        weights = gpu_models.size_of(model)
        return Way(
            f"{name}, {chunk} at once",
            lambda: _decode(model, latents, chunk),
            flops,
            weights * (count / chunk),
            weights,
            warm=lambda: _decode(model, latents[:chunk], chunk),
        )

    ways = [way("plain", plain, chunk) for chunk in sorted({4, count})]
    ways += [way("channels last", last, chunk) for chunk in sorted({1, 4, count})]
    ways.append(way("TAESDXL", tiny, count))
    facts = {"images": count, "pixels": sizes.pixels, "dtype": str(dtype).removeprefix("torch.")}
    compare(bench, "decode", ways, facts)


@torch.inference_mode()
def _decode(model: Any, latents: Tensor, chunk: int) -> None:
    for part in latents.split(chunk):
        images = model.decode(part, return_dict=False)[0]
        # what leaves the device are bytes
        (images.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
