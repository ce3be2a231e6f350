"""The candidate generator pi_C: a language model that writes a turn's candidates line by line (App. E.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pasta_core.agent.grammar import category_grammar, prompt_grammar
from pasta_core.agent.llama import Grammar, LlamaModel
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.sampling import NothingAllowed, sample_nucleus
from pasta_core.agent.templates import WriterTemplate, as_data
from pasta_core.domain import Candidate, CandidateForm, Progress
from pasta_core.errors import PastaError
from pasta_core.seeds import derive_seed
from pasta_core.settings import WriterProfile

__all__ = ["ATTEMPTS", "LlamaWriter", "asked_tokens"]

ATTEMPTS = 24
"""How often one line is asked for before the writer gives up."""

_PATIENCE = 8
"""After so many fruitless attempts a line is drawn from outside its nucleus too."""

_WARMING = 0.125
"""By how much every attempt after those flattens the distribution: a turn with one odd line beats no turn."""

_TOKENS_PER_WORD = 3
"""How many tokens of context are kept free for a word of the answer."""

_MESSAGE = "%%MESSAGE%%"


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


class LlamaWriter:
    """Writes candidates with a GGUF model; the same request always gives the same candidates.

    Loads the model at once; `ModelUnavailable` if it or its template is missing or broken. Not thread-safe.
    """

    def __init__(self, profile: WriterProfile) -> None:
        self._profile = profile
        self._template = WriterTemplate.load(profile.template)
        self._model = LlamaModel(profile.model, profile.context, profile.threads)
        self._newline = self._model.tokenize("\n")
        self._grammar = lru_cache(maxsize=8)(self._model.grammar)

    def write(
        self, request: WriteRequest, should_stop: Callable[[], bool], progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write `request.form.total` different candidates, ordered by category.

        A candidate is never empty, over the word budget, equal to another or to the current prompt (letter
        case, spaces and final punctuation aside): such a line is asked again with a derived seed. The history
        is kept whole unless it overflows the context, then its oldest turns go first. `progress` counts
        candidates. Raises `Cancelled` within one token of `should_stop`, `PastaError` after `ATTEMPTS` tries.
        """
        form = request.form
        self._model.clear()
        self._model.feed(self._prompt(request), should_stop)
        pending: list[int] = []
        candidates: list[Candidate] = []
        category = ""
        taken = {_identity(request.current_prompt)}
        categories: set[str] = set()
        progress(0, form.total)
        for line in _lines(form):
            self._model.feed(pending + self._marker(line), should_stop)
            if line.is_category:
                category, pending = self._ask(request, line, categories, should_stop)
                categories.add(_identity(category))
                continue
            prompt, pending = self._ask(request, line, taken, should_stop)
            taken.add(_identity(prompt))
            candidates.append(Candidate(prompt, category))
            progress(len(candidates), form.total)
        return tuple(candidates)

    def close(self) -> None:
        """Free the model."""
        self._grammar.cache_clear()
        self._model.close()

    def _prompt(self, request: WriteRequest) -> list[int]:
        """The tokens that ask for the answer, short enough to leave it room in the context."""
        lines = request.form.total + (0 if request.form.direct else request.form.categories)
        room = self._model.context - lines * (request.max_words * _TOKENS_PER_WORD + 3)
        for skipped in range(max(1, len(request.turns))):
            tokens = asked_tokens(
                self._model, self._template.render(replace(request, turns=request.turns[skipped:]))
            )
            if len(tokens) <= max(room, self._model.context // 4):
                return tokens
        raise PastaError(
            f"the prompt is too long for the writer's context of {self._model.context} tokens",
            "set a larger writer.context or start from a shorter prompt",
        )

    def _marker(self, line: _Line) -> list[int]:
        # as the marker stands after a line break: some tokenizers put a space before a text's first word
        marker = "*" if line.is_category else "-"
        return self._model.tokenize("\n" + marker)[len(self._newline) :]

    def _ask(
        self, request: WriteRequest, line: _Line, taken: set[str], should_stop: Callable[[], bool]
    ) -> tuple[str, list[int]]:
        """One line's text that is not taken yet, and its last tokens, which the context hasn't read."""
        gbnf = category_grammar() if line.is_category else prompt_grammar(request.max_words)
        start = self._model.position
        logits = self._model.logits()
        for attempt in range(ATTEMPTS):
            if attempt:
                self._model.rewind(start, should_stop)
            rng = np.random.default_rng(derive_seed(request.seed, "line", line.number, attempt))
            sampling = self._sampling(attempt)
            tokens = self._sample(logits, self._grammar(gbnf).copy(), rng, sampling, should_stop)
            text = as_data(self._model.detokenize(tokens)).rstrip(" ,;:-")
            if text and _identity(text) not in taken:
                return text, tokens[-1:]
        what = "category" if line.is_category else "prompt"
        raise PastaError(
            f"the writer found no new {what} in {ATTEMPTS} tries",
            "ask for fewer candidates, allow more words or change the prompt",
        )

    def _sampling(self, attempt: int) -> _Sampling:
        """App. E.2's sampling for the first attempts, ever wider for the later ones."""
        if attempt < _PATIENCE:
            return _Sampling(self._profile.nucleus, self._profile.temperature)
        return _Sampling(1.0, self._profile.temperature * (1 + (attempt - _PATIENCE) * _WARMING))

    def _sample(
        self,
        logits: np.ndarray[tuple[int], np.dtype[np.float32]],
        grammar: Grammar,
        rng: np.random.Generator,
        sampling: _Sampling,
        should_stop: Callable[[], bool],
    ) -> list[int]:
        """The tokens of one line up to and with its line break; the context reads all but the last."""
        tokens: list[int] = []
        while True:
            try:
                token = sample_nucleus(
                    logits, grammar.allowed, rng, nucleus=sampling.nucleus, temperature=sampling.temperature
                )
            except NothingAllowed as error:
                raise PastaError(
                    f"the vocabulary of {self._model.path.name} cannot spell a prompt",
                    "use another writer model",
                ) from error
            grammar.accept(token)
            tokens.append(token)
            if "\n" in self._model.detokenize([token]):
                return tokens
            self._model.feed([token], should_stop)
            logits = self._model.logits()


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
