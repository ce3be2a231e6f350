"""Capped attention by blocks of queries, held to the library's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

from pasta_core.agent.value_model_attention import capped_attention
from pasta_core.agent.value_model_packing import Branch, Tree, pack

HEADS, KEY_HEADS, WIDTH = 4, 2, 8


def drawn(rows: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values whose scores the cap bends."""
    draw = torch.Generator().manual_seed(seed)
    shapes = [(rows, heads, width, WIDTH) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
    query, key, value = (3 * torch.randn(shape, generator=draw) for shape in shapes)
    return query, key, value


def eager(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, softcap: float | None) -> Tensor:
    """The library's, which adds its mask."""
    module: Any = SimpleNamespace(num_key_value_groups=HEADS // KEY_HEADS, training=False)
    added = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    attended: Tensor = eager_attention_forward(
        module, query, key, value, added, scaling=WIDTH**-0.5, softcap=softcap
    )[0]
    return attended


@given(
    trunk=st.integers(1, 300),
    branches=st.lists(st.integers(1, 60), max_size=6),
    softcap=st.sampled_from([None, 1.5, 50.0]),
    window=st.sampled_from([None, 7, 200]),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=25)
def test_it_attends_as_eager_attention_does(
    trunk: int, branches: list[int], softcap: float | None, window: int | None, seed: int
) -> None:
    tree = Tree((1,) * trunk, tuple(Branch(max(1, trunk - n), (2,) * n) for n in branches))
    visible = pack([tree, Tree((1,))]).visible(window)
    query, key, value = drawn(2, visible.shape[-1], seed)
    found, _ = capped_attention(
        torch.nn.Identity().eval(), query, key, value, visible, scaling=WIDTH**-0.5, softcap=softcap
    )
    assert torch.allclose(found, eager(query, key, value, visible, softcap), atol=1e-4)


def test_a_mask_that_is_to_be_added_is_read_too() -> None:
    visible = pack([Tree((1,) * 200, (Branch(150, (2,) * 40),))]).visible()
    query, key, value = drawn(1, 240, 0)
    added = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    module = torch.nn.Identity().eval()
    told = [capped_attention(module, query, key, value, mask, softcap=2.0)[0] for mask in (visible, added)]
    assert torch.equal(*told)


def test_gradients_are_those_of_eager_attention() -> None:
    visible = pack([Tree((1,) * 180, (Branch(150, (2,) * 40),))]).visible()
    gradients = []
    for ours in (True, False):
        states = [one.requires_grad_() for one in drawn(1, 220, 1)]
        if ours:
            found, _ = capped_attention(
                torch.nn.Identity(), *states, visible, scaling=WIDTH**-0.5, softcap=2.0
            )
        else:
            found = eager(*states, visible, 2.0)
        found.square().sum().backward()
        gradients.append([one.grad for one in states])
    for ours_, theirs in zip(*gradients, strict=True):
        assert ours_ is not None and theirs is not None
        assert ours_.numpy() == pytest.approx(theirs.numpy(), abs=1e-3, rel=1e-4)
