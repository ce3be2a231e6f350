"""SDXL's two tokenizers, built from the CLIP vocabulary that open_clip carries: nothing has to be fetched."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

from transformers import CLIPTokenizer

from pasta_core.errors import ModelUnavailable

__all__ = ["sdxl_tokenizers"]

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2
"""How many of the file's merges CLIP uses, beside 256 bytes, those at a word's end, and two marks."""
LENGTH = 77


def sdxl_tokenizers() -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """Make both: they differ in what they pad with, the mark of the end and "!" (token 0).

    So the second reads a "!" of the text as padding, as it does in the published folder of SDXL 1.0.
    """
    spec = importlib.util.find_spec("open_clip")
    file = Path(spec.origin).parent / VOCABULARY if spec and spec.origin else Path(VOCABULARY)
    try:
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise ModelUnavailable(
            f"CLIP's vocabulary {file} cannot be read", "install open_clip_torch again"
        ) from error
    merges = [(left, right) for left, right in (line.split() for line in lines[1 : MERGES + 1])]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    first, second = (
        CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), pad_token=pad, model_max_length=LENGTH)
        for pad in ("<|endoftext|>", "!")
    )
    return first, second


def _letters() -> list[str]:
    """The 256 bytes as letters: printable ones are themselves, the others follow from U+0100 on."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = (byte for byte in range(256) if byte not in printable)
    return [*map(chr, printable), *(chr(256 + number) for number, _ in enumerate(others))]
