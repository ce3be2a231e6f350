"""Attention whose scores are capped, as in Gemma 2: PyTorch's own knows no cap."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["CAPPED", "capped_attention", "register_capped_attention"]

CAPPED = "capped"
"""What transformers knows it by."""

_BLOCK = 128
"""Queries whose scores are held at once: with all keys of a turn they stay within a processor's cache."""


def register_capped_attention() -> None:
    """Let configurations name it `CAPPED`: transformers finds attention, and masks for it, by name alone."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(CAPPED, capped_attention)
    AttentionMaskInterface.register(CAPPED, eager_mask)


def capped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    **unread: Any,
) -> tuple[Tensor, None]:
    """Softmax attention over cap tanh(scores / cap), (rows, queries, heads, d).

    `query` is (rows, heads, queries, d), `key` and `value` (rows, key heads, keys, d). `attention_mask`,
    (rows, 1, queries, keys), says what is visible: True, or 0 where it is one to add. A block of queries
    computes the keys that any of it sees and no others: on a packed turn that is the history and a few
    candidates, not all 25.
    """
    visible = attention_mask if attention_mask.dtype == torch.bool else attention_mask == 0
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # heads that share keys lie side by side: (rows, key heads, heads of each, queries, d)
    grouped = (query * scale).unflatten(1, (key.shape[1], -1))
    blocks = []
    for queries, seen in zip(grouped.split(_BLOCK, -2), visible.split(_BLOCK, -2), strict=True):
        columns = seen.flatten(0, 2).any(0).nonzero().squeeze(-1)
        scores = queries @ key[:, :, None, columns].mT
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        scores = scores.masked_fill(~seen[:, :, None, :, columns], -torch.inf)
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
        weights = nn.functional.dropout(weights, dropout, module.training)
        blocks.append(weights @ value[:, :, None, columns])
    return torch.cat(blocks, -2).flatten(1, 2).transpose(1, 2).contiguous(), None
