"""How a turn's candidates are written, line by line (App. E.2), whatever context the tokens go through."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pasta_core.agent.grammar import category_grammar, prompt_grammar
from pasta_core.agent.llama import Grammar, LlamaModel
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.sampling import NothingAllowed, sample_nucleus
from pasta_core.agent.templates import WriterTemplate, as_data
from pasta_core.domain import Candidate, CandidateForm, Progress
from pasta_core.errors import PastaError
from pasta_core.seeds import derive_seed
from pasta_core.settings import WriterProfile

__all__ = ["ATTEMPTS", "Script", "Step", "Writing", "asked_tokens"]

ATTEMPTS = 24
"""How often one line is asked for before the writer gives up."""

_PATIENCE = 8
"""After so many fruitless attempts a line is drawn from outside its nucleus too."""

_WARMING = 0.125
"""By how much every attempt after those flattens the distribution: a turn with one odd line beats no turn."""

_TOKENS_PER_WORD = 3
"""How many tokens of context are kept free for a word of the answer."""

_MESSAGE = "%%MESSAGE%%"


Logits: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Step:
    """Go back to the first `keep` tokens where that is given, read `tokens`, and say what may follow."""

    tokens: Sequence[int]
    keep: int | None = None


Script: TypeAlias = Generator[Step, Logits, tuple[Candidate, ...]]
"""Yields steps, is sent the logits (vocabulary,) after each, and returns the candidates."""


@dataclass(frozen=True)
class _Line:
    """One line of the answer: a category's name or one of its prompts."""

    number: int
    is_category: bool


@dataclass(frozen=True)
class _Sampling:
    """How tokens are drawn."""

    nucleus: float
    temperature: float


class Writing:
    """Writes candidates as scripts: what is to be read, and what was drawn from what came back.

    Scripts share nothing, so many may be under way at once. `context` is the window of each in tokens.
    """

    def __init__(self, profile: WriterProfile, model: LlamaModel, context: int) -> None:
        self._profile = profile
        self._template = WriterTemplate.load(profile.template)
        self._model = model
        self._context = context
        self._newline = model.tokenize("\n")
        self._grammar = lru_cache(maxsize=8)(model.grammar)

    def script(self, request: WriteRequest, progress: Progress) -> Script:
        """Write `request.form.total` different candidates, ordered by category, into an empty context.

        A candidate is never empty, over the word budget, equal to another or to the current prompt (letter
        case, spaces and final punctuation aside): such a line is asked again with a derived seed. The history
        is kept whole unless it overflows the context, then its oldest turns go first. `progress` counts
        candidates. Raises `PastaError` after `ATTEMPTS` tries.
        """
        return _Run(self, request).lines(progress)

    def close(self) -> None:
        """Free the grammars."""
        self._grammar.cache_clear()

    def prompt(self, request: WriteRequest) -> list[int]:
        """The tokens that ask for the answer, short enough to leave it room in the context."""
        lines = request.form.total + (0 if request.form.direct else request.form.categories)
        room = self._context - lines * (request.max_words * _TOKENS_PER_WORD + 3)
        for skipped in range(max(1, len(request.turns))):
            tokens = asked_tokens(
                self._model, self._template.render(replace(request, turns=request.turns[skipped:]))
            )
            if len(tokens) <= max(room, self._context // 4):
                return tokens
        raise PastaError(
            f"the prompt is too long for the writer's context of {self._context} tokens",
            "set a larger writer.context or start from a shorter prompt",
        )

    def marker(self, line: _Line) -> list[int]:
        """What opens a line, as it stands after a line break."""
        # some tokenizers put a space before a text's first word
        marker = "*" if line.is_category else "-"
        return self._model.tokenize("\n" + marker)[len(self._newline) :]

    def grammar(self, gbnf: str) -> Grammar:
        """A grammar at its start."""
        return self._grammar(gbnf).copy()

    def sampling(self, attempt: int) -> _Sampling:
        """App. E.2's sampling for the first attempts, ever wider for the later ones."""
        if attempt < _PATIENCE:
            return _Sampling(self._profile.nucleus, self._profile.temperature)
        return _Sampling(1.0, self._profile.temperature * (1 + (attempt - _PATIENCE) * _WARMING))

    def draw(self, logits: Logits, grammar: Grammar, rng: np.random.Generator, sampling: _Sampling) -> int:
        """Draw a token that the grammar allows, and let it move on."""
        try:
            token = sample_nucleus(
                logits, grammar.allowed, rng, nucleus=sampling.nucleus, temperature=sampling.temperature
            )
        except NothingAllowed as error:
            raise PastaError(
                f"the vocabulary of {self._model.path.name} cannot spell a prompt", "use another writer model"
            ) from error
        grammar.accept(token)
        return token

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return self._model.detokenize(tokens)


class _Run:
    """One script under way: how many tokens its context holds, and what it must go back to first."""

    def __init__(self, writing: Writing, request: WriteRequest) -> None:
        self._writing = writing
        self._request = request
        self._position = 0
        self._keep: int | None = None

    def lines(self, progress: Progress) -> Script:
        form = self._request.form
        yield from self._read(self._writing.prompt(self._request))
        pending: list[int] = []
        candidates: list[Candidate] = []
        category = ""
        taken = {_identity(self._request.current_prompt)}
        categories: set[str] = set()
        progress(0, form.total)
        for line in _lines(form):
            logits = yield from self._read(pending + self._writing.marker(line))
            if line.is_category:
                category, pending = yield from self._ask(line, categories, logits)
                categories.add(_identity(category))
                continue
            prompt, pending = yield from self._ask(line, taken, logits)
            taken.add(_identity(prompt))
            candidates.append(Candidate(prompt, category))
            progress(len(candidates), form.total)
        return tuple(candidates)

    def _read(self, tokens: Sequence[int]) -> Generator[Step, Logits, Logits]:
        step = Step(tokens, self._keep)
        self._position = (self._position if self._keep is None else self._keep) + len(tokens)
        self._keep = None
        return (yield step)

    def _ask(
        self, line: _Line, taken: set[str], logits: Logits
    ) -> Generator[Step, Logits, tuple[str, list[int]]]:
        """One line's text that is not taken yet, and its last tokens, which the context hasn't read."""
        request = self._request
        gbnf = category_grammar() if line.is_category else prompt_grammar(request.max_words)
        start = self._position
        for attempt in range(ATTEMPTS):
            if attempt:
                self._keep = start
            rng = np.random.default_rng(derive_seed(request.seed, "line", line.number, attempt))
            tokens = yield from self._sample(logits, gbnf, rng, self._writing.sampling(attempt))
            text = as_data(self._writing.text(tokens)).rstrip(" ,;:-")
            if text and _identity(text) not in taken:
                return text, tokens[-1:]
        what = "category" if line.is_category else "prompt"
        raise PastaError(
            f"the writer found no new {what} in {ATTEMPTS} tries",
            "ask for fewer candidates, allow more words or change the prompt",
        )

    def _sample(
        self, logits: Logits, gbnf: str, rng: np.random.Generator, sampling: _Sampling
    ) -> Generator[Step, Logits, list[int]]:
        """The tokens of one line up to and with its line break; the context reads all but the last."""
        grammar = self._writing.grammar(gbnf)
        tokens: list[int] = []
        while True:
            token = self._writing.draw(logits, grammar, rng, sampling)
            tokens.append(token)
            if "\n" in self._writing.text([token]):
                return tokens
            logits = yield from self._read([token])


def _lines(form: CandidateForm) -> Iterator[_Line]:
    """The lines of an answer in the form of Fig. 11; the direct form has no category lines."""
    number = 0
    for _ in range(form.categories):
        if not form.direct:
            yield _Line(number, is_category=True)
            number += 1
        for _ in range(form.per_category):
            yield _Line(number, is_category=False)
            number += 1


def _identity(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(" .,;:!-")


def asked_tokens(model: LlamaModel, message: str) -> list[int]:
    """A message's tokens inside the model's own chat form, if it has one.

    The message is tokenised apart, so that no text in it can read as one of the model's control tokens.
    """
    if not model.chat_template:
        return model.tokenize(message, begin=True)
    before, after = _chat_frame(model)
    begin, _ = model.begin_and_end
    opened = bool(begin) and before.startswith(begin)
    return [
        *model.tokenize(before, begin=not opened, special=True),
        *model.tokenize(message),
        *model.tokenize(after, special=True),
    ]


def _chat_frame(model: LlamaModel) -> tuple[str, str]:
    """What the model's chat template puts before and after a user's message."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    begin, end = model.begin_and_end
    formatter = Jinja2ChatFormatter(template=model.chat_template, eos_token=end, bos_token=begin)
    rendered = formatter(messages=[{"role": "user", "content": _MESSAGE}], enable_thinking=False).prompt
    before, _, after = rendered.partition(_MESSAGE)
    return before, after
