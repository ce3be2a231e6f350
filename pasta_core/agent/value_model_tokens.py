"""The value model's tokens: history and candidate tokenised apart and joined (DESIGN's reading of E.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.requests import ShownTurn
from pasta_core.errors import ModelUnavailable

__all__ = ["CandidateTokens", "ValueTokens", "read_tokenizer"]


@dataclass(frozen=True, slots=True)
class CandidateTokens:
    """A candidate's tokens, and after how many of them the prompt itself begins."""

    tokens: tuple[int, ...]
    lead: int


@dataclass(frozen=True)
class ValueTokens:
    """Templates and tokenizer together; `bos` opens every history where the model knows such a token.

    Every segment is tokenised by itself, so a history's tokens are always the first tokens of the longer
    history that follows from it, and no merge crosses from the history into a candidate.
    """

    templates: ValueTemplates
    tokenizer: Any
    bos: int | None

    def history(self, initial_prompt: str, turns: Sequence[ShownTurn]) -> tuple[tuple[int, ...], ...]:
        """The tokens of a history in len(turns) + 1 segments."""
        opening, *rest = (self._ids(part) for part in self.templates.segments(initial_prompt, turns))
        return (opening if self.bos is None else (self.bos, *opening), *rest)

    def candidate(self, prompt: str) -> CandidateTokens:
        """The tokens of a candidate, which follow those of the history."""
        text = self.templates.candidate(prompt)
        lead, words = self._ids(text.lead), self._ids(text.prompt)
        return CandidateTokens((*lead, *words), len(lead))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)


def read_tokenizer(file: Path) -> Any:
    """A `tokenizer.json` that never cuts, pads, or takes a prompt's words for a special token.

    `ModelUnavailable` where the file is missing or damaged.
    """
    if not file.is_file():
        raise ModelUnavailable(f"{file.parent} lacks {file.name}", "fetch or train the model again")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ModelUnavailable(f"{file} is damaged: {error}", "fetch or train the model again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer
