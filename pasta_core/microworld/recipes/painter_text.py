"""Training the painter's two text encoders: until every attribute can be read off the pooled output.

They are then frozen, so that the denoiser learns from a condition that already says what is in the picture.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from pasta_core.microworld.captions import IDEA_LEADS, caption, sample_mention
from pasta_core.microworld.grammar import ATTRIBUTES, IDEAS, Attributes, sample_scene
from pasta_core.microworld.recipes.clip_tokens import CONTEXT
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig

__all__ = ["PainterText", "TextRecipe", "idea_caption", "sprinkle_unknown_words", "train_painter_text"]


@dataclass(frozen=True)
class TextRecipe:
    """What the shipped text encoders were trained with."""

    widths: tuple[int, int] = (64, 128)
    layers: int = 3
    steps: int = 600
    batch: int = 192
    peak_rate: float = 1.5e-3


def sprinkle_unknown_words(text: str, rng: random.Random) -> str:
    """Put one or two words nobody knows into a text, as people do."""
    words = text.split(" ")
    for _ in range(rng.choice((1, 2))):
        made_up = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9)))
        words.insert(rng.randint(0, len(words)), made_up)
    return " ".join(words)


def idea_caption(idea: str, rng: random.Random) -> str:
    """Name an abstract idea (§6.4) in one of several ways."""
    return rng.choice((idea, *(f"{lead} {idea}" for lead in IDEA_LEADS)))


class PainterText(nn.Module):
    """SDXL's two text encoders; the second one's projection is the pooled condition."""

    def __init__(self, tokenizer: CLIPTokenizer, recipe: TextRecipe) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        first, second = (self._config(width, recipe.layers) for width in recipe.widths)
        self.first = CLIPTextModel(first)
        self.second = CLIPTextModelWithProjection(second)
        sizes = [len(values) + 1 for values in ATTRIBUTES.values()] + [len(IDEAS) + 1]
        self.heads = nn.ModuleList(nn.Linear(recipe.widths[1], size) for size in sizes)
        self.first_heads = nn.ModuleList(nn.Linear(recipe.widths[0], size) for size in sizes)

    def _config(self, width: int, layers: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            max_position_embeddings=CONTEXT,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token numbers (n, CONTEXT), padded and cut as the pipeline does."""
        batch = self.tokenizer(list(texts), padding="max_length", max_length=CONTEXT, truncation=True)
        return torch.tensor(batch["input_ids"])

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """SDXL's condition: penultimate layers (n, CONTEXT, sum of widths) and pooled output (n, width)."""
        first = self.first(tokens, output_hidden_states=True)
        second = self.second(tokens, output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds

    def readings(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What the two encoders read: logits per attribute and for the idea; the last class is "not said"."""
        pooled = self.second(tokens).text_embeds
        pooled_first = self.first(tokens).pooler_output
        return [
            (head(pooled), first(pooled_first))
            for head, first in zip(self.heads, self.first_heads, strict=True)
        ]


def _sample(rng: random.Random) -> tuple[str, list[int]]:
    unsaid = [len(values) for values in ATTRIBUTES.values()]
    if rng.random() < 0.06:
        idea = rng.choice(tuple(IDEAS))
        return idea_caption(idea, rng), [*unsaid, tuple(IDEAS).index(idea)]
    said = sample_mention(rng, sample_scene(rng))
    text = caption(said, rng)
    if rng.random() < 0.1:
        text = sprinkle_unknown_words(text, rng)
    return text, [*_labels(said), len(IDEAS)]


def _labels(said: Attributes) -> list[int]:
    known = said.known()
    return [
        values.index(known[name]) if name in known else len(values) for name, values in ATTRIBUTES.items()
    ]


def train_painter_text(
    tokenizer: CLIPTokenizer, shop: Workshop, recipe: TextRecipe | None = None
) -> PainterText:
    """Train both encoders on captions of training scenes; returns them frozen."""
    recipe = recipe or TextRecipe()
    torch.manual_seed(derive_seed(shop.seed, "painter text", "weights"))
    model = PainterText(tokenizer, recipe).to(shop.device)

    def loss(step: int) -> Tensor:
        rng = random.Random(derive_seed(shop.seed, "painter text", step))
        texts, labels = zip(*(_sample(rng) for _ in range(recipe.batch)), strict=True)
        wanted = torch.tensor(labels).to(shop.device)
        tokens = model.tokens(texts)
        longest = int((tokens == tokenizer.eos_token_id).float().argmax(-1).max()) + 1
        with shop.autocast():
            readings = model.readings(tokens[:, :longest].to(shop.device))
        losses = [
            F.cross_entropy(logits.float(), wanted[:, index])
            for index, pair in enumerate(readings)
            for logits in pair
        ]
        return torch.stack(losses).sum()

    config = LoopConfig(steps=recipe.steps, batch=recipe.batch, peak_rate=recipe.peak_rate, decay=0.3)
    shop.train("painter-text", model, loss, config)
    return model.eval().requires_grad_(False)
