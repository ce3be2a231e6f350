"""The recipe that trains the base of the micro value model: a small Gemma that reads microworld histories.

It learns them as a language model (E.3 starts from one): a history with random choices as the trunk, and
candidates of its next turn as branches, just as the value model reads them afterwards. No rater has a part.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GemmaConfig, GemmaForCausalLM

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.value_model import ValueModel, ValueNetwork, attention_for
from pasta_core.agent.value_model_files import save_value_model
from pasta_core.agent.value_model_packing import Branch, Packed, Tree, pack
from pasta_core.agent.value_model_tokens import ValueTokens
from pasta_core.microworld.dialogues import sample_dialogue
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.microworld.recipes.writer_tokens import END, end_token, train_tokenizer
from pasta_core.paths import find_assets
from pasta_core.seeds import derive_seed
from pasta_core.training.ahead import Ahead
from pasta_core.training.loop import LoopConfig

__all__ = ["VALUE", "ValueRecipe", "build_value_model", "train_value_base"]

VALUE = "<|value|>"
"""The token whose logit is the value, l_q = l_v: no text contains it, so nothing else moves its weights."""

_CARD = """\
# The base of the micro value model

A Gemma with {parameters:,} parameters ({layers} layers, width {width}, {heads} heads) that has learnt
microworld histories as a language model; `pasta train-value-model` starts from it. Weights in float16.

**Data.** Histories generated from the scene grammar (`pasta_core/microworld/dialogues.py`) under the
templates of Fig. 12, choices drawn at random: no rater has a part in them. **Recipe.**
`pasta_core/microworld/recipes/value_recipe.py`, seed {seed}: {steps:,} steps of {histories} histories with up
to {branches} candidates each, AdamW at {peak_rate}, bfloat16 autocast.

**Measured**: {nats:.3f} nats a token on {held_out:,} histories of another seed.
"""

_HELD_OUT = 64


@dataclass(frozen=True)
class ValueRecipe:
    """What decides the result, apart from the seed."""

    layers: int = 4
    width: int = 128
    heads: int = 4
    inner: int = 448
    context: int = 4096
    histories: int = 8
    """Histories a step."""
    branches: int = 6
    """Candidates of the next turn that are read with each."""
    steps: int = 1000
    peak_rate: float = 3e-3
    warm_up: int = 100
    decay: float = 0.5
    weight_decay: float = 0.05


def build_value_model(recipe: ValueRecipe) -> ValueModel:
    """The micro value model with fresh weights, drawn from torch's generator."""
    tokenizer = train_tokenizer((END, VALUE))
    # a prompt's words are never taken for a special token
    tokenizer.encode_special_tokens = True
    end = end_token(tokenizer)
    config = GemmaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        head_dim=recipe.width // recipe.heads,
        max_position_embeddings=recipe.context,
        hidden_activation="gelu_pytorch_tanh",
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    config._attn_implementation = attention_for(config)
    logit = tokenizer.token_to_id(VALUE)
    assert logit is not None
    network = ValueNetwork(GemmaForCausalLM(config), logit)
    return ValueModel(network, ValueTokens(micro_templates(), tokenizer, end))


def micro_templates() -> ValueTemplates:
    """Fig. 12's templates in the microworld's words."""
    folder = find_assets() / "templates"
    return ValueTemplates.load(folder / "value-micro-history.txt", folder / "value-micro-candidate.txt")


def train_value_base(out: Path, shop: Workshop, recipe: ValueRecipe | None = None) -> None:
    """Train the base and write it to `out` with its card; goes on from the workshop's checkpoint."""
    recipe = recipe or ValueRecipe()
    torch.manual_seed(derive_seed(shop.seed, "value", "weights"))
    model = build_value_model(recipe)
    network = model.network.to(shop.device)
    batches = Ahead(lambda step: _batch(model.tokens, recipe, derive_seed(shop.seed, "value", step)))
    config = LoopConfig(
        steps=recipe.steps,
        batch=recipe.histories,
        peak_rate=recipe.peak_rate,
        warm_up=recipe.warm_up,
        decay=recipe.decay,
        weight_decay=recipe.weight_decay,
    )

    def loss(step: int) -> Tensor:
        return _nats(network, batches(step), shop)

    shop.train("value", network, loss, config)
    if shop.stop():
        return
    network.eval()
    with torch.no_grad():
        held_out = [
            _nats(
                network, _batch(model.tokens, recipe, derive_seed(shop.seed, "value held out", number)), shop
            )
            for number in range(_HELD_OUT // recipe.histories)
        ]
    facts = {
        "objective": "language model",
        "seed": shop.seed,
        **asdict(recipe),
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "nats": float(torch.stack(held_out).mean()),
        "held_out": _HELD_OUT,
    }
    save_value_model(ValueModel(network.to("cpu"), model.tokens), out, facts, half=True)
    (out / "README.md").write_text(_CARD.format(**facts))
    (out / "bars.json").write_text(json.dumps({"nats": facts["nats"]}, indent=2) + "\n")


def _batch(tokens: ValueTokens, recipe: ValueRecipe, seed: int) -> Sequence[Tree]:
    rng = random.Random(seed)
    return [_tree(tokens, recipe, rng) for _ in range(recipe.histories)]


def _tree(tokens: ValueTokens, recipe: ValueRecipe, rng: random.Random) -> Tree:
    dialogue = sample_dialogue(rng)
    segments = tokens.history(dialogue.request.initial_prompt, dialogue.request.turns)
    trunk = tuple(token for segment in segments for token in segment)[: recipe.context // 2]
    shown = rng.sample(dialogue.answer, min(recipe.branches, len(dialogue.answer)))
    return Tree(
        trunk, tuple(Branch(len(trunk), tokens.candidate(candidate.prompt).tokens) for candidate in shown)
    )


def _nats(network: ValueNetwork, trees: Sequence[Tree], shop: Workshop) -> Tensor:
    """Mean cross-entropy in nats of every token after the first of its trunk or branch."""
    packed: Packed = pack(trees).to(shop.device)
    follows = (packed.branch[:, 1:] == packed.branch[:, :-1]) & (packed.branch[:, 1:] >= 0)
    with shop.autocast():
        hidden = network.hidden(packed)[:, :-1][follows]
        logits = network.language_model.lm_head(hidden)
    return F.cross_entropy(logits.float(), packed.tokens[:, 1:][follows])
