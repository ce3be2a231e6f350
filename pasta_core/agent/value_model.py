"""The prompt-value function f(h, p) and the state value v(h): one logit of a Gemma language model (E.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pasta_core.agent.value_model_adapter import Adapter
from pasta_core.agent.value_model_attention import CAPPED, register_capped_attention
from pasta_core.agent.value_model_packing import Packed
from pasta_core.agent.value_model_tokens import ValueTokens
from pasta_core.errors import ModelUnavailable

__all__ = ["PAPER_LOGIT", "ValueModel", "ValueNetwork", "attention_for"]

PAPER_LOGIT = 651
"""l_q = l_v of Table 3, an index into Gemma's vocabulary; a smaller vocabulary names its own."""


class ValueNetwork(nn.Module):
    """A causal language model of the Gemma, Gemma 2 or Gemma 3 text architecture that values every token.

    Value = the logit `logit` (l_q = l_v, Table 3) at a token, after the architecture's own soft cap, times
    `scale` (rewards a unit of the logit), plus `offset`: an untrained model starts from the rewards' mean
    instead of a language model's logit, and learns in units of their spread.
    f(h, p^{1:t'}) is read at token t' of the candidate, v(h) at the last token of the history. The other
    logits are never computed.
    """

    def __init__(self, language_model: Any, logit: int, offset: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.language_model = language_model
        self.logit = logit
        self.offset = offset
        self.scale = scale
        config = language_model.config
        if not 0 <= logit < config.vocab_size:
            raise ModelUnavailable(
                f"logit {logit} lies outside a vocabulary of {config.vocab_size}",
                "use a model with a larger vocabulary",
            )
        if getattr(config, "use_bidirectional_attention", None):
            raise ModelUnavailable("the model attends in both directions", "use a causal language model")

    @property
    def config(self) -> Any:
        """The language model's own configuration."""
        return self.language_model.config

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next(self.parameters()).device

    def forward(self, packed: Packed) -> Tensor:
        """The value at every token, (rows, width), float32 or finer; where rows are padded, meaningless."""
        hidden = self.hidden(packed)
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        # no matrix product: autocast would round a value to 8 bits
        value: Tensor = (hidden.to(dtype) * self.language_model.lm_head.weight[self.logit].to(dtype)).sum(-1)
        cap = getattr(self.config, "final_logit_softcapping", None)
        if cap is not None:
            value = cap * torch.tanh(value / cap)
        return value * self.scale + self.offset

    def hidden(self, packed: Packed) -> Tensor:
        """The last layer's normalised output at every token, (rows, width, d)."""
        last: Tensor = self.language_model.model(
            input_ids=packed.tokens,
            # without a mask, restarted positions are silently read as sequences that don't see each other
            attention_mask=self._mask(packed),
            position_ids=packed.positions,
            use_cache=False,
        ).last_hidden_state
        return last

    def _mask(self, packed: Packed) -> Tensor | dict[str, Tensor]:
        """What every token sees in each kind of layer; eager attention would add True to its scores."""
        kinds = getattr(self.config, "layer_types", None)
        if kinds is None:
            return packed.visible()
        windows = {"full_attention": None, "sliding_attention": self.config.sliding_window}
        return {kind: packed.visible(windows[kind]) for kind in sorted(set(kinds))}


@dataclass(frozen=True)
class ValueModel:
    """A network and the text it reads; they are stored together, because neither means anything alone."""

    network: ValueNetwork
    tokens: ValueTokens
    adapter: Adapter | None = None
    """Where only added matrices learn: what they are added to."""

    @property
    def context(self) -> int:
        """The longest history with its candidate, in tokens."""
        return int(self.network.config.max_position_embeddings)


def attention_for(config: Any) -> str:
    """The attention that computes this configuration: PyTorch's own knows no soft cap of the scores."""
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    if not capped and config.model_type != "gemma2":
        return "sdpa"
    register_capped_attention()
    return CAPPED
