"""The candidate generator pi_C: a language model that writes one turn's candidates at a time (App. E.2)."""

from __future__ import annotations

from collections.abc import Callable

from pasta_core.agent.llama import LlamaModel
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.writing import ATTEMPTS, Writing, asked_tokens
from pasta_core.domain import Candidate, Progress
from pasta_core.settings import WriterProfile

__all__ = ["ATTEMPTS", "LlamaWriter", "asked_tokens"]


class LlamaWriter:
    """Writes candidates with a GGUF model; the same request always gives the same candidates.

    Loads the model at once; `ModelUnavailable` if it or its template is missing or broken. Not thread-safe.
    """

    def __init__(self, profile: WriterProfile) -> None:
        self._model = LlamaModel(profile.model, profile.context, profile.threads)
        self._writing = Writing(profile, self._model, self._model.context)

    def write(
        self, request: WriteRequest, should_stop: Callable[[], bool], progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write `request.form.total` different candidates, ordered by category (`Writing.script`).

        Raises `Cancelled` within one token of `should_stop`, and what the script raises.
        """
        model = self._model
        model.clear()
        script = self._writing.script(request, progress)
        step = next(script)
        while True:
            if step.keep is not None:
                model.rewind(step.keep, should_stop)
            model.feed(step.tokens, should_stop)
            try:
                step = script.send(model.logits())
            except StopIteration as end:
                written: tuple[Candidate, ...] = end.value
                return written

    def close(self) -> None:
        """Free the model."""
        self._writing.close()
        self._model.close()
