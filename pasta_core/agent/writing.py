"""How a line is written (App. E.2), whatever context its tokens go through: its grammar, and each draw."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from pasta_core.agent.grammar import category_grammar, prompt_grammar
from pasta_core.agent.llama_grammar import Grammar
from pasta_core.agent.llama_weights import LlamaWeights, Logits
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.sampling import NothingAllowed, NotNumbers, sample_nucleus
from pasta_core.agent.templates import as_data
from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.seeds import derive_seed
from pasta_core.settings import WriterProfile

__all__ = ["ATTEMPTS", "Asking", "LineWriter", "Script", "Step", "Writing", "identity"]

ATTEMPTS = 24
"""How often one line is asked for before the writer gives up."""

_PATIENCE = 8
"""After so many fruitless attempts a line is drawn from outside its nucleus too."""

_WARMING = 0.125
"""By how much every attempt after those flattens the distribution: a turn with one odd line beats no turn."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """Go back to the first `keep` tokens where that is given, read `tokens`, and say what may follow."""

    tokens: Sequence[int]
    keep: int | None = None


Script = Generator[Step, Logits, T]
"""Yields steps, is sent the logits (vocabulary,) after each, and returns what was written."""

Asking = Script[tuple[str, list[int]]]
"""A script that returns one line's text, and its last tokens, which the context hasn't read."""


@dataclass(frozen=True)
class _Sampling:
    """How tokens are drawn."""

    nucleus: float
    temperature: float


class Writing:
    """What writing lines with one model needs; texts share nothing else, so many may be under way at once."""

    def __init__(self, profile: WriterProfile, model: LlamaWeights) -> None:
        self._profile = profile
        self._model = model
        self._newline = model.tokenize("\n")
        self._grammar = lru_cache(maxsize=8)(model.grammar)

    def close(self) -> None:
        """Free the grammars."""
        self._grammar.cache_clear()

    def after_break(self, text: str) -> list[int]:
        """The tokens of a text as it stands after a line break."""
        # some tokenizers put a space before a text's first word
        return self._model.tokenize("\n" + text)[len(self._newline) :]

    def grammar(self, gbnf: str) -> Grammar:
        """A grammar at its start."""
        return self._grammar(gbnf).copy()

    def sampling(self, attempt: int) -> _Sampling:
        """App. E.2's sampling for the first attempts, ever wider for the later ones."""
        # at 0 every draw is the same, so that the second one is in vain already
        patience = _PATIENCE if self._profile.temperature else 0
        if attempt == 0 or attempt < patience:
            return _Sampling(self._profile.nucleus, self._profile.temperature)
        # one that begins at 0 would repeat itself for ever if it were only multiplied
        warmer = max(1.0, self._profile.temperature) * (attempt - patience) * _WARMING
        return _Sampling(1.0, self._profile.temperature + warmer)

    def draw(self, logits: Logits, grammar: Grammar, rng: np.random.Generator, sampling: _Sampling) -> int:
        """Draw a token that the grammar allows, and let it move on."""
        name = self._model.path.name
        try:
            token = sample_nucleus(
                logits, grammar.allowed, rng, nucleus=sampling.nucleus, temperature=sampling.temperature
            )
        except NothingAllowed as error:
            raise PastaError(
                f"the vocabulary of {name} cannot spell a prompt", "use another writer model"
            ) from error
        except NotNumbers as error:
            raise ModelUnavailable(
                f"the writer's model {name} computes no number (NaN), it is damaged or overflows",
                "fetch the file again, or use another quantisation",
            ) from error
        grammar.accept(token)
        return token

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return self._model.detokenize(tokens)


class LineWriter:
    """One text under way: how many tokens its context holds, and what it must go back to first."""

    def __init__(self, writing: Writing, request: WriteRequest) -> None:
        self._writing = writing
        self._request = request
        self._position = 0
        self._keep: int | None = None

    def read(self, tokens: Sequence[int]) -> Script[Logits]:
        """Let the context read tokens; returns the logits after them."""
        step = Step(tokens, self._keep)
        self._position = (self._position if self._keep is None else self._keep) + len(tokens)
        self._keep = None
        return (yield step)

    def category(self, number: int, taken: set[str], logits: Logits) -> Asking:
        """The rest of line `number`, a category's name; `taken` are the identities of those there are."""
        return self._ask(number, "category", category_grammar(), taken, logits)

    def prompt(self, number: int, taken: set[str], logits: Logits) -> Asking:
        """The rest of line `number`, a prompt; `taken` are the identities of those there are."""
        return self._ask(number, "prompt", prompt_grammar(self._request.max_words), taken, logits)

    def _ask(self, number: int, what: str, gbnf: str, taken: set[str], logits: Logits) -> Asking:
        start = self._position
        for attempt in range(ATTEMPTS):
            if attempt:
                self._keep = start
            rng = np.random.default_rng(derive_seed(self._request.seed, "line", number, attempt))
            tokens = yield from self._sample(logits, gbnf, rng, self._writing.sampling(attempt))
            text = as_data(self._writing.text(tokens)).rstrip(" ,;:-")
            if text and identity(text) not in taken:
                taken.add(identity(text))
                return text, tokens[-1:]
        raise PastaError(
            f"the writer found no new {what} in {ATTEMPTS} tries",
            "ask for fewer candidates, allow more words or change the prompt",
        )

    def _sample(
        self, logits: Logits, gbnf: str, rng: np.random.Generator, sampling: _Sampling
    ) -> Script[list[int]]:
        """The tokens of one line up to and with its line break; the context reads all but the last."""
        grammar = self._writing.grammar(gbnf)
        tokens: list[int] = []
        while True:
            token = self._writing.draw(logits, grammar, rng, sampling)
            tokens.append(token)
            if "\n" in self._writing.text([token]):
                return tokens
            logits = yield from self.read([token])


def identity(text: str) -> str:
    """What makes two lines the same: letter case, spaces and final punctuation aside."""
    return " ".join(text.casefold().split()).rstrip(" .,;:!-")
