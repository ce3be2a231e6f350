"""Initial prompts from a file (App. C.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput
from pasta_core.text import clean, count_words

__all__ = ["MAX_WORDS", "PromptList", "read_prompts"]

MAX_WORDS = 10
"""The longest initial prompt, "in order to avoid very large prompt at the end of the rollout" (App. C.1)."""


@dataclass(frozen=True)
class PromptList:
    """The usable prompts of a file, how many were too long, and the hash of those that are left."""

    prompts: tuple[str, ...]
    too_long: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\n".join(self.prompts).encode()).hexdigest()


def read_prompts(file: Path) -> PromptList:
    """Read one prompt a line; empty lines are skipped. `InvalidInput` where none can be used."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the prompts in {file} cannot be read: {error}", "name a text file") from error
    prompts = [text for line in lines if (text := clean(line).text.strip())]
    short = tuple(prompt for prompt in prompts if count_words(prompt) <= MAX_WORDS)
    if not short:
        raise InvalidInput(f"{file} holds no prompt of at most {MAX_WORDS} words", "write one prompt a line")
    return PromptList(short, len(prompts) - len(short))
