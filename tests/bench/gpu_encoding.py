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

    from pasta_core.users.clip import BATCH, ClipEncoder

    device = bench.machine.device
    # float32, as open_clip loads it where nobody says otherwise
    model = gpu_models.made(lambda: gpu_models.clip(sizes.full), device, torch.float32)
    half = gpu_models.made(lambda: gpu_models.clip(sizes.full), device, torch.float32)
    open_clip.model.convert_weights_to_lp(half, torch.float16)
    preprocess = open_clip.image_transform(model.visual.image_size, is_train=False)
    tokenizer = open_clip.get_tokenizer("ViT-L-14-quickgelu")
    whole = ClipEncoder(model, preprocess, tokenizer, str(device))
    halved = ClipEncoder(half, preprocess, tokenizer, str(device), "float16")
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
    text = weights - vision
    way = partial(Way, weights=weights)
    inputs = torch.stack([prepared(pixels[0])] * sizes.images).to(device, torch.float16)

    @torch.inference_mode()
    def network_alone() -> None:
        half.encode_image(inputs)

    pictures = [
        way("plain, one after another", picture_by_picture, bytes=vision * sizes.images),
        way("pasta, float32", lambda: whole.embed_images(pixels), bytes=vision * sizes.images / BATCH),
        way("pasta, float16", lambda: halved.embed_images(pixels), bytes=vision * sizes.images / BATCH / 2),
        way("preprocessing alone", lambda: [prepared(image) for image in pixels], 0.0),
        way("the network alone, float16, at once", network_alone, bytes=vision / 2),
    ]
    compare(bench, "clip", pictures, {"images": sizes.images, "pixels": sizes.pixels})
    words = [
        way("plain, one text after another", text_by_text, bytes=text * sizes.texts),
        way("pasta, float32", lambda: whole.embed_texts(texts), bytes=text * sizes.texts / BATCH),
        way("pasta, float16", lambda: halved.embed_texts(texts), bytes=text * sizes.texts / BATCH / 2),
    ]
    compare(bench, "clip", words, {"texts": sizes.texts})
