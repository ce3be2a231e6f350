"""The candidate generator pi_C: a language model that writes one turn's candidates at a time (App. E.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from pasta_core.agent.llama import LlamaModel
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.scripts import Answer
from pasta_core.agent.writing import ATTEMPTS, Writing
from pasta_core.agent.writing_prompt import WriterPrompt
from pasta_core.domain import Candidate, Pixels, Progress
from pasta_core.settings import WriterProfile

__all__ = ["ATTEMPTS", "CandidateWriter", "LlamaWriter", "open_writer"]


class CandidateWriter(Protocol):
    """Whatever writes candidates in its process."""

    def write(
        self,
        request: WriteRequest,
        should_stop: Callable[[], bool],
        progress: Progress,
        *,
        pictures: Mapping[str, Pixels] | None = None,
        note: Callable[[str], None] = ...,
    ) -> tuple[Candidate, ...]:
        """Write `request.form.total` different candidates, ordered by category.

        `pictures` are shown to a writer that sees (`pictures.history_pictures`), `note` is told what a
        person should read. Raises `Cancelled` soon after `should_stop`.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def open_writer(profile: WriterProfile, key: str = "", *, gpu: bool = True) -> CandidateWriter:
    """The writer that a profile describes, loaded; `ModelUnavailable` where a part of it is of no use.

    `key` is for the server at `profile.url`; a model of this process leaves a GPU alone if not `gpu`.
    """
    if profile.url:
        from pasta_core.agent.served_writer import ServedWriter

        return ServedWriter(profile, key)
    if profile.parallel or profile.mmproj is not None:
        from pasta_core.agent.branch_writer import BranchWriter

        return BranchWriter(profile, gpu=gpu)
    return LlamaWriter(profile, gpu=gpu)


class LlamaWriter:
    """Writes candidates with a GGUF model, line by line; the same request always gives the same candidates.

    Loads the model at once; `ModelUnavailable` if it or its template is missing or broken. Not thread-safe.
    """

    def __init__(self, profile: WriterProfile, *, gpu: bool = True) -> None:
        with ExitStack() as opened:
            self._model = LlamaModel(profile.model, profile.context, profile.threads, gpu=gpu)
            opened.callback(self._model.close)
            self._prompt = WriterPrompt(profile, self._model, profile.context)
            self._writing = Writing(profile, self._model)
            opened.pop_all()

    def write(
        self,
        request: WriteRequest,
        should_stop: Callable[[], bool],
        progress: Progress,
        *,
        pictures: Mapping[str, Pixels] | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> tuple[Candidate, ...]:
        """Write `request.form.total` different candidates, ordered by category; it sees no pictures.

        Raises `Cancelled` within one token of `should_stop`, and what `scripts.Answer` raises.
        """
        del pictures
        prompt = self._prompt.of(request)
        for text in prompt.notes:
            note(text)
        model = self._model
        model.clear()
        script = Answer(self._writing, request, progress).whole(prompt.tokens)
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
