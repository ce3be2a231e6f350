"""What the full-size models must compute, counted without computing it: `python -m tests.bench.gpu_flops`.

Every architecture is built on the meta device, which knows shapes and holds no numbers, and runs once under
`torch.utils.flop_counter`. Products and convolutions count, two operations a multiplication and addition;
norms and activations do not. Prints one JSON document, TFLOP a forward pass and tokens a training step.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pasta_core.agent.value_model import ValueNetwork
from pasta_core.agent.value_model_packing import Branch, Tree, pack
from tests.bench import gpu_models
from tests.bench.gpu_sizes import Sizes
from tests.bench.gpu_trajectories import random_example

META = torch.device("meta")
TOKENS = 77


def counted(work: Callable[[], object]) -> float:
    """Operations of one call."""
    return float(sum(by_kind(work).values()))


def by_kind(work: Callable[[], object]) -> dict[str, float]:
    """The same by kind: convolutions, the products of layers (`mm`, `addmm`), those of attention (`bmm`)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return {
        str(name).removeprefix("aten."): flops for name, flops in counter.get_flop_counts()["Global"].items()
    }


@functools.cache
def unet_flops(full: bool, pixels: int) -> float:
    """One forward pass of the UNet for one image; guidance takes two a step."""
    return counted(unet_pass(full, pixels))


def unet_pass(full: bool, pixels: int) -> Callable[[], object]:
    """That pass, on the meta device."""
    model = gpu_models.made(lambda: gpu_models.unet(full), META, torch.float32)
    config, side = model.config, pixels // 8
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    with META:
        latents, states = torch.empty(1, 4, side, side), torch.empty(1, TOKENS, config.cross_attention_dim)
        added = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        step = torch.empty(())
    return lambda: model(latents, step, encoder_hidden_states=states, added_cond_kwargs=added)


@functools.cache
def decode_flops(full: bool, pixels: int, *, tiny: bool = False) -> float:
    """Decoding one image, by the autoencoder or by the tiny one."""
    build = gpu_models.tiny_autoencoder if tiny else gpu_models.autoencoder
    model: Any = gpu_models.made(lambda: build(full), META, torch.float32)
    latents = torch.empty(1, 4, pixels // 8, pixels // 8, device=META)
    return counted(lambda: model.decode(latents))


def gemma_flops(full: bool, history: int, candidates: Sequence[int] = ()) -> float:
    """A history and the candidates that read it, in tokens; a value reads one logit, so none is computed.

    Attention is counted over the whole square of the row, as a kernel that is given a mask computes it.
    """
    language_model = gpu_models.made(lambda: gpu_models.gemma(full), META, torch.float32)
    branches = tuple(Branch(history, (0,) * length) for length in candidates)
    packed = pack([Tree((0,) * history, branches)]).to(META)
    return counted(lambda: ValueNetwork(language_model, 0).hidden(packed))


def vision_flops(full: bool) -> float:
    """ViT-L-14 on one image."""
    model = gpu_models.made(lambda: gpu_models.vision_tower(full), META, torch.float32)
    side = model.config.image_size
    return counted(lambda: model(pixel_values=torch.empty(1, 3, side, side, device=META)))


def painted_flops(full: bool, pixels: int, steps: int, guided_steps: int) -> float:
    """One image: `guided_steps` of its steps run the UNet twice; the autoencoder once at the end."""
    passes = steps + guided_steps
    return passes * unet_flops(full, pixels) + decode_flops(full, pixels)


def main() -> None:
    """Count and print."""
    found = {
        "unet": {pixels: unet_flops(True, pixels) for pixels in (512, 768, 1024)},
        "unet_1024_by_operation": by_kind(unet_pass(True, 1024)),
        "decode": {pixels: decode_flops(True, pixels) for pixels in (512, 768, 1024)},
        "tiny_decode": {pixels: decode_flops(True, pixels, tiny=True) for pixels in (512, 1024)},
        "image_1024_30_steps_guided": painted_flops(True, 1024, 30, 30),
        "image_1024_30_steps_guided_to_0.6": painted_flops(True, 1024, 30, 18),
        "image_1024_4_steps": painted_flops(True, 1024, 4, 0),
        "gemma_2b_1068_tokens": gemma_flops(True, 1068),
        "gemma_2b_25_candidates_apart": 25 * gemma_flops(True, 1000, (68,)),
        "gemma_2b_25_candidates_together": gemma_flops(True, 1000, (68,) * 25),
        "gemma_2b_history": gemma_flops(True, 1000),
        "gemma_2b_5_candidates_on_a_history_that_was_read": gemma_flops(True, 1000, (68,) * 5)
        - gemma_flops(True, 1000),
        "vit_l_14_image": vision_flops(True),
    }
    print(json.dumps(_in_tera(found) | {"value_step_tokens": _step_tokens(Sizes())}, indent=2))


def _step_tokens(sizes: Sizes) -> dict[str, int]:
    """Tokens in a step of the value model, packed and with a sequence for every shown prompt."""
    count = -(-sizes.transitions // sizes.turns)
    examples = [random_example(seed, sizes.turns, 256_000) for seed in range(count)]
    branches = [branch for one in examples for branch in one.tree.branches]
    return {
        "packed": sum(len(one.tree) for one in examples),
        "separate": sum(branch.at + len(branch.tokens) for branch in branches),
    }


def _in_tera(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _in_tera(value) for name, value in found.items()}
    return float(f"{found / 1e12:.4g}")


if __name__ == "__main__":
    main()
