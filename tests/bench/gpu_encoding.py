"""Embedding pictures and texts with CLIP: our encoder beside open_clip's documented call for each."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_sizes import Sizes


def clip(bench: Bench, sizes: Sizes) -> None:
    """Pictures with their preprocessing and texts with their tokens, then the network alone at its best."""
    import open_clip

    from pasta_core.users.clip import ClipEncoder

    device = bench.machine.device
    # float32, as open_clip and our encoder load it
    model = gpu_models.made(lambda: gpu_models.clip(sizes.full), device, torch.float32)
    preprocess = open_clip.image_transform(model.visual.image_size, is_train=False)
    tokenizer = open_clip.get_tokenizer("ViT-L-14-quickgelu")
    encoder = ClipEncoder(model, preprocess, tokenizer, str(device))
    rng = np.random.default_rng(0)
    pixels = list(rng.integers(0, 256, (sizes.images, sizes.pixels, sizes.pixels, 3), dtype=np.uint8))
    texts = [f"a lighthouse in a storm, number {number}" for number in range(sizes.texts)]

    def prepared(image: Any) -> Any:
        return preprocess(Image.fromarray(image))

    @torch.inference_mode()
    def picture_by_picture() -> None:
        for image in pixels:
            model.encode_image(prepared(image)[None].to(device)).cpu()

    @torch.inference_mode()
    def text_by_text() -> None:
        for text in texts:
            model.encode_text(tokenizer([text]).to(device)).cpu()

    weights = gpu_models.size_of(model)
    vision = gpu_models.size_of(model.visual)
    way = partial(Way, weights=weights)
    half = gpu_models.made(lambda: gpu_models.clip(sizes.full), device, sizes.dtype)
    inputs = torch.stack([prepared(pixels[0])] * sizes.images).to(device, sizes.dtype)

    @torch.inference_mode()
    def network_alone() -> None:
        half.encode_image(inputs)

    pictures = [
        way("plain, one after another", picture_by_picture, bytes=vision * sizes.images),
        way("pasta", lambda: encoder.embed_images(pixels), bytes=vision * sizes.images / 4),
        way("preprocessing alone", lambda: [prepared(image) for image in pixels], 0.0),
        way(f"the network alone, {sizes.dtype}, at once".replace("torch.", ""), network_alone, bytes=vision),
    ]
    compare(bench, "clip", pictures, {"images": sizes.images, "pixels": sizes.pixels})
    words = [
        way("plain, one text after another", text_by_text, bytes=(weights - vision) * sizes.texts),
        way("pasta, texts", lambda: encoder.embed_texts(texts), bytes=(weights - vision) * sizes.texts / 4),
    ]
    compare(bench, "clip", words, {"texts": sizes.texts})
