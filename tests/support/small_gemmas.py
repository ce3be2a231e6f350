"""Gemma 1, 2 and 3 models small enough for a test, with every trait that a shortcut could get wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import transformers

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.value_model import ValueModel, ValueNetwork, attention_for
from pasta_core.agent.value_model_adapter import LoraSettings
from pasta_core.agent.value_model_attention import CAPPED
from pasta_core.agent.value_model_files import load_language_model, save_value_model
from pasta_core.agent.value_model_lora import with_adapter
from pasta_core.agent.value_model_tokens import ValueTokens, read_tokenizer
from pasta_core.paths import find_assets

ARCHITECTURES = ("gemma", "gemma2", "gemma3_text")
VOCABULARY = 1102
LOGIT = 17
WINDOW = 8


def small_config(kind: str, **changes: Any) -> Any:
    """A configuration whose windows are shorter than its texts, and whose soft caps bite."""
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 2048,
        # large enough for attention to prefer some tokens, or masks would hardly matter
        "initializer_range": 0.3,
        "bos_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 0,
    }
    if kind == "gemma":
        return transformers.GemmaConfig(**(shape | changes))
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    shape |= {"sliding_window": WINDOW, "layer_types": layers, "query_pre_attn_scalar": 8}
    if kind == "gemma2":
        caps = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0}
        return transformers.Gemma2Config(**(shape | caps | changes))
    return transformers.Gemma3TextConfig(**(shape | changes))


def small_network(kind: str, seed: int = 0, **changes: Any) -> ValueNetwork:
    """A network with random weights."""
    config = small_config(kind, **changes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention_for(config))
    return ValueNetwork(model.eval(), LOGIT)


def plain_language_model(network: ValueNetwork) -> Any:
    """Its language model as the library computes it by itself, with no attention of ours."""
    model = copy.deepcopy(network.language_model)
    if attention_for(model.config) == CAPPED:
        # the library's fast one knows no capped scores either
        model.set_attn_implementation("eager")
    return model


def small_tokens() -> ValueTokens:
    """The shipped writer's tokenizer under the microworld's templates."""
    assets = find_assets()
    return ValueTokens(templates("micro-"), read_tokenizer(assets / "micro/writer/tokenizer.json"), bos=0)


def templates(kind: str = "") -> ValueTemplates:
    """The shipped templates: the general ones, or `micro-`."""
    folder: Path = find_assets() / "templates"
    return ValueTemplates.load(folder / f"value-{kind}history.txt", folder / f"value-{kind}candidate.txt")


def small_model(kind: str, seed: int = 0, **changes: Any) -> ValueModel:
    """A network with its text."""
    return ValueModel(small_network(kind, seed, **changes), small_tokens())


def save_small_adapter(kind: str, root: Path, said: ValueTemplates, profile: str) -> Path:
    """Write a language model's folder, and one of an adapter to it that does something; returns the latter's.

    It is asked in the words of `said`, and was trained for `profile`.
    """
    save_value_model(small_model(kind), root / "base")
    base = load_language_model(root / "base", said, LOGIT)
    model = with_adapter(base, root / "base", LoraSettings(rank=2, alpha=4.0), seed=1)
    torch.manual_seed(2)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.detach(), std=0.3)
    save_value_model(model, root / "adapter", {"profiles": [profile]})
    return root / "adapter"
