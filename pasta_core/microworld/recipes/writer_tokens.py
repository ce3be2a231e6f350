"""The micro writer's tokenizer: byte-level BPE in which every known word is one token."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pasta_core.microworld.captions import known_words
from pasta_core.microworld.critiques import sample_critique
from pasta_core.microworld.dialogues import CATEGORIES, DETAIL, VERY_DIFFERENT
from pasta_core.microworld.grammar import Attributes, sample_scene

__all__ = ["END", "end_token", "train_tokenizer"]

END = "<|end|>"
"""The token after an answer; it is the padding too."""

_LINE_STARTS = "start image pick say now words ideas"
_PIECE = re.compile(r"[a-z]+|[0-9]+")


def train_tokenizer(special: Sequence[str] = (END,)) -> Tokenizer:
    """Train the tokenizer on the word list alone: merges go on until no listed word is in two pieces.

    A word counts with the space before it; words of the template's line starts and second halves of
    hyphenated ones count without. Any other text falls into smaller pieces, at worst into bytes. The tokens
    in `special` come first, and no text contains them.
    """
    tokenizer = Tokenizer(models.BPE())
    # the two halves of GPT-2's own pre-tokenisation, which llama.cpp knows as "gpt-2"
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1 << 15,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(_word_list())), trainer)
    return tokenizer


def end_token(tokenizer: Tokenizer) -> int:
    """The id of `END`; ValueError where the tokenizer is another one."""
    token = tokenizer.token_to_id(END)
    if token is None:
        raise ValueError(f"the tokenizer has no {END}")
    return token


def _word_list() -> Iterator[str]:
    yield from _LINE_STARTS.split()
    yield from (f" {number}" for number in range(201))
    yield " x"
    for name in (*CATEGORIES, DETAIL, VERY_DIFFERENT):
        yield from (f" {word}" for word in name.split())
    for word in known_words():
        first, *rest = _PIECE.findall(word)
        yield f" {first}"
        yield from rest
    rng = random.Random("critiques")
    for _ in range(5000):
        text, _effect = sample_critique(rng, Attributes(**sample_scene(rng).attributes.known()))
        yield from (f" {word}" for word in _PIECE.findall(text))
