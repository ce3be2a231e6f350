"""The CLIP tokenizer of the microworld: every known word is one token, any other text falls to pieces."""

from __future__ import annotations

import json

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from pasta_core.microworld.captions import known_words

__all__ = ["CONTEXT", "END_OF_WORD", "clip_tokenizer"]

CONTEXT = 77
"""Tokens of a text, begin and end included: CLIP's own context, enough for the longest prompt of 62 words."""

END_OF_WORD = "</w>"


def clip_tokenizer() -> CLIPTokenizer:
    """Build the tokenizer: byte pairs are merged until every known word is whole."""
    words = [part for word in sorted(known_words()) for part in word.split("-")]
    model = Tokenizer(BPE(end_of_word_suffix=END_OF_WORD))
    model.pre_tokenizer = Whitespace()
    trainer = BpeTrainer(
        vocab_size=10_000,
        min_frequency=1,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
        special_tokens=[],
    )
    model.train_from_iterator([" ".join(words)], trainer)
    merges = [tuple(merge) for merge in _merges(model)]
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + END_OF_WORD for letter in letters), *("".join(merge) for merge in merges)]
    tokens = [*dict.fromkeys(pieces), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)


def _merges(model: Tokenizer) -> list[list[str]]:
    merges = json.loads(model.to_str())["model"]["merges"]
    return [merge.split(" ") if isinstance(merge, str) else list(merge) for merge in merges]
