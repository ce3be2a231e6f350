"""Six silent traps of transformers 5 when candidates share a history: each is sprung, and ours stays clear.

Of each the plain way, one sequence a pass, says what is right; what a shortcut would give is another number,
and nothing warns. Where one of these is no longer wrong, a library has changed and ours may become simpler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from pasta_core.agent.scoring import score_tokens
from pasta_core.agent.value_model import ValueNetwork
from pasta_core.agent.value_model_packing import Branch, Packed, Tree, pack
from tests.support.small_gemmas import (
    LOGIT,
    VOCABULARY,
    WINDOW,
    plain_language_model,
    small_network,
    small_tokens,
)

DRAW = torch.Generator().manual_seed(7)
HISTORY = torch.randint(VOCABULARY, (5 * WINDOW,), generator=DRAW).tolist()
CANDIDATES = [torch.randint(VOCABULARY, (4 + n,), generator=DRAW).tolist() for n in range(4)]
TREE = Tree(tuple(HISTORY), tuple(Branch(len(HISTORY), tuple(one)) for one in CANDIDATES))
ENDS = [start + len(one) - 1 for start, one in zip(TREE.starts, CANDIDATES, strict=True)]

FAR = 1e-2
"""More than any rounding."""


@torch.inference_mode()
def plain(network: ValueNetwork) -> list[float]:
    """A pass of its own for each candidate, with nothing but its tokens."""
    whole = [torch.tensor([[*HISTORY, *one]]) for one in CANDIDATES]
    model = plain_language_model(network)
    return [float(model(input_ids=one).logits[0, -1, LOGIT]) for one in whole]


@torch.inference_mode()
def ours(network: ValueNetwork) -> list[float]:
    found: list[float] = score_tokens(network, HISTORY, CANDIDATES).tolist()
    return found


@torch.inference_mode()
def sprung(network: ValueNetwork, packed: Packed, mask: Any) -> list[float]:
    """The packed row read by the library's own head under another mask."""
    logits: Tensor = network.language_model(
        input_ids=packed.tokens, position_ids=packed.positions, attention_mask=mask, use_cache=False
    ).logits
    return [float(value) for value in logits[0, ENDS, LOGIT]]


def worst(found: Sequence[float], right: Sequence[float]) -> float:
    return max(abs(one - that) for one, that in zip(found, right, strict=True))


def test_1_restarted_positions_without_a_mask_are_read_as_sequences_of_their_own() -> None:
    network = small_network("gemma")
    right = plain(network)
    assert worst(sprung(network, pack([TREE]), None), right) > FAR
    assert ours(network) == pytest.approx(right, abs=1e-4)


def test_2_a_bool_mask_is_added_to_the_scores_of_eager_attention() -> None:
    network = small_network("gemma2", attn_logit_softcapping=None, final_logit_softcapping=None)
    right, packed = plain(network), pack([TREE])
    windows = {"full_attention": None, "sliding_attention": WINDOW}
    told = {kind: packed.visible(window) for kind, window in windows.items()}
    eager = ValueNetwork(plain_language_model(network), LOGIT)
    assert worst(sprung(eager, packed, told), right) > FAR
    assert ours(network) == pytest.approx(right, abs=1e-4)


def test_3_gemma_2_caps_its_scores_and_its_logits() -> None:
    network = small_network("gemma2")
    right, uncapped = plain(network), []
    with torch.inference_mode():
        hidden = network.hidden(pack([TREE]))[0, ENDS]
        uncapped = (hidden @ network.language_model.lm_head.weight[LOGIT]).tolist()
    assert worst(uncapped, right) > FAR, "what bypasses the head bypasses its cap"
    bare = small_network("gemma2", attn_logit_softcapping=None)
    assert worst(plain(bare), right) > FAR, "the attention's own cap counts too"
    assert ours(network) == pytest.approx(right, abs=1e-4)


def test_4_one_mask_for_all_layers_forgets_the_sliding_windows() -> None:
    network = small_network("gemma3_text")
    right, packed = plain(network), pack([TREE])
    assert worst(sprung(network, packed, packed.visible()), right) > FAR
    assert ours(network) == pytest.approx(right, abs=1e-4)


def test_5_no_cache_is_cut_back_because_none_is_kept() -> None:
    network = small_network("gemma3_text")
    with torch.inference_mode():
        kept = network.language_model(input_ids=torch.tensor([HISTORY]), use_cache=True).past_key_values
        with pytest.raises((ValueError, RuntimeError)):
            kept.crop(len(HISTORY) - 1)
        before = ours(network)
        score_tokens(network, HISTORY[:9], CANDIDATES[:2])
    assert ours(network) == before, "a call leaves nothing behind"


def test_6_tokens_of_a_joined_text_are_others_than_those_of_its_parts() -> None:
    tokens = small_tokens()
    history = "".join(tokens.templates.segments("a train", ()))
    text = tokens.templates.candidate("a red train")
    joined = tokens.tokenizer.encode(history + text.lead + text.prompt, add_special_tokens=False).ids
    (opening,) = tokens.history("a train", ())
    apart = [*opening[1:], *tokens.candidate("a red train").tokens]
    assert apart != joined, "a merge crosses a border, and what was trained would not be what is scored"
    assert tokens.tokenizer.decode(apart) == tokens.tokenizer.decode(joined)
