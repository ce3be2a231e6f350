"""Which words of a prompt the models have never seen, where a profile says what they know."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["load_vocabulary", "unknown_words"]

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")


def load_vocabulary(path: Path | None) -> frozenset[str]:
    """Read one known word a line; empty if the profile names no list or it is not there."""
    if path is None or not path.is_file():
        return frozenset()
    return frozenset(path.read_text(encoding="utf-8").lower().split())


def unknown_words(prompt: str, vocabulary: frozenset[str]) -> tuple[str, ...]:
    """The prompt's words that are not in the vocabulary, each once, in order; none without a vocabulary."""
    if not vocabulary:
        return ()
    words = dict.fromkeys(_WORD.findall(prompt.lower()))
    return tuple(word for word in words if not _known(word, vocabulary))


def _known(word: str, vocabulary: frozenset[str]) -> bool:
    return word in vocabulary or all(part in vocabulary for part in word.split("-"))
