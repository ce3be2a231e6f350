"""Valuing 25 candidates on one history: the history read once beside 25 separate forward passes."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from pasta_core.agent.scoring import score_tokens
from pasta_core.agent.value_model import PAPER_LOGIT, ValueNetwork
from tests.bench import gpu_models
from tests.bench.gpu_compare import Bench, Way, compare
from tests.bench.gpu_sizes import Sizes

CANDIDATES = 25
"""L_C (Fig. 11)."""


def score(bench: Bench, sizes: Sizes) -> None:
    """Times, and by how much the values differ: beside float32's rounding, that of the dtype."""
    device = bench.machine.device
    model = gpu_models.made(lambda: gpu_models.gemma(sizes.full), device, sizes.dtype)
    network = ValueNetwork(model, PAPER_LOGIT).eval()
    rng = random.Random(0)

    def drawn(length: int) -> list[int]:
        return [rng.randrange(3, model.config.vocab_size) for _ in range(length)]

    history = drawn(sizes.history)
    candidates = [drawn(rng.randint(*sizes.candidates)) for _ in range(CANDIDATES)]

    @torch.inference_mode()
    def shared() -> Tensor:
        return score_tokens(network, history, candidates).cpu()

    @torch.inference_mode()
    def separate() -> Tensor:
        return torch.stack([_value(model, history + one) for one in candidates]).cpu()

    @torch.inference_mode()
    def batch() -> None:
        width = max(map(len, candidates))
        rows = torch.tensor([history + one + [0] * (width - len(one)) for one in candidates], device=device)
        real = torch.tensor(
            [[1] * (len(history) + len(one)) + [0] * (width - len(one)) for one in candidates]
        )
        model.model(input_ids=rows, attention_mask=real.to(device), use_cache=False)

    weights = gpu_models.size_of(model)
    ways = [
        Way("plain, 25 forward passes", separate, None, weights * CANDIDATES, weights),
        Way("plain, one padded batch", batch, None, weights, weights),
        Way("pasta, the history once", shared, None, weights, weights),
    ]
    ours, theirs = shared().float(), separate().float()
    facts = {
        "candidates": CANDIDATES,
        "history_tokens": sizes.history,
        "candidate_tokens": sum(map(len, candidates)),
        "dtype": str(sizes.dtype).removeprefix("torch."),
        "largest_difference": float(f"{(ours - theirs).abs().max():.3g}"),
        "standard_deviation": float(f"{theirs.std():.3g}"),
    }
    compare(bench, "score", ways, facts)


def _value(model: Any, tokens: list[int]) -> Tensor:
    """One logit of one sequence, as transformers computes it, of the last token alone."""
    ids = torch.tensor([tokens], device=model.device)
    logits: Tensor = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
    return logits[0, -1, PAPER_LOGIT]
