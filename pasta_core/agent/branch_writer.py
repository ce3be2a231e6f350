"""Writing a turn's categories side by side on the prompt that they share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from pasta_core.agent.llama_branches import LlamaBranches
from pasta_core.agent.llama_vision import LlamaVision
from pasta_core.agent.llama_weights import LlamaWeights, Logits
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.scripts import Answer
from pasta_core.agent.writing import Script, Step, Writing
from pasta_core.agent.writing_prompt import WriterPrompt
from pasta_core.domain import Candidate, Pixels, Progress
from pasta_core.errors import Cancelled
from pasta_core.settings import WriterProfile

__all__ = ["BranchWriter"]

MOST_BRANCHES = 9
"""As many categories as a session can have (`settings.SessionSettings`)."""

T = TypeVar("T")


@dataclass
class _Text:
    """A category under way: its script, and the tokens it waits to have read."""

    script: Script[tuple[Candidate, ...]]
    unread: deque[int] = field(default_factory=deque)


class BranchWriter:
    """Writes with a GGUF model, its categories in parallel where the profile says so, and sees pictures.

    The names of the categories come first, one after another. Then every category is a text of its own
    behind the prompt and all names, and each pass of the model moves them all on by a token. They share what
    is taken, so no prompt comes twice. The same request gives the same candidates. Loads the models at once;
    `ModelUnavailable` if one or its template is missing or broken. Not thread-safe.
    """

    def __init__(self, profile: WriterProfile, *, gpu: bool = True) -> None:
        self._parallel = profile.parallel
        self._vision = None
        branches = MOST_BRANCHES if profile.parallel else 1
        threads = profile.threads
        with ExitStack() as opened:
            self._weights = LlamaWeights(profile.model, gpu=gpu)
            opened.callback(self._weights.close)
            self._prompt = WriterPrompt(profile, self._weights, profile.context)
            if profile.mmproj is not None:
                self._vision = LlamaVision(profile.mmproj, self._weights, profile.image_tokens, threads)
                opened.callback(self._vision.close)
            self._branches = LlamaBranches(self._weights, branches, profile.context, threads, self._vision)
            opened.callback(self._branches.close)
            self._writing = Writing(profile, self._weights)
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
        """Write `request.form.total` different candidates, ordered by category.

        Raises `Cancelled` within one token of `should_stop`, and what `scripts.Answer` raises.
        """
        answer = Answer(self._writing, request, progress)
        vision = self._vision
        seen = {} if vision is None else pictures or {}
        prompt = self._prompt.of(request, seen, lambda picture: vision.cost(picture) if vision else 0)
        for text in prompt.notes:
            note(text)
        self._branches.clear()
        self._branches.share(prompt.parts, should_stop)
        if request.form.direct or not self._parallel:
            return self._alone(answer.whole(), should_stop)
        answer.begin()
        names, pending = self._alone(answer.names(), should_stop)
        self._branches.adopt(0)
        texts = {number: _Text(answer.category(number, name, pending)) for number, name in enumerate(names)}
        return self._together(texts, should_stop)

    def close(self) -> None:
        """Free the models."""
        self._writing.close()
        self._branches.close()
        if self._vision is not None:
            self._vision.close()
        self._weights.close()

    def _alone(self, script: Script[T], should_stop: Callable[[], bool]) -> T:
        """Run one script behind what is shared."""
        self._branches.fork(0)
        step = next(script)
        while True:
            logits = self._take(0, step, should_stop)
            try:
                step = script.send(logits)
            except StopIteration as end:
                written: T = end.value
                return written

    def _take(self, branch: int, step: Step, should_stop: Callable[[], bool]) -> Logits:
        if step.keep is not None:
            self._branches.rewind(branch, step.keep)
        for token in step.tokens:
            _check(should_stop)
            logits = self._branches.step({branch: token})[branch]
        return logits

    def _together(self, texts: Mapping[int, _Text], should_stop: Callable[[], bool]) -> tuple[Candidate, ...]:
        """Run the scripts of all categories, a token of each in every pass."""
        under_way = dict(texts)
        found: dict[int, tuple[Candidate, ...]] = {}
        for branch, text in under_way.items():
            self._branches.fork(branch)
            text.unread.extend(next(text.script).tokens)
        while under_way:
            _check(should_stop)
            logits = self._branches.step(
                {branch: text.unread.popleft() for branch, text in under_way.items()}
            )
            for branch, row in logits.items():
                text = under_way[branch]
                if text.unread:
                    continue
                try:
                    step = text.script.send(row)
                except StopIteration as end:
                    found[branch] = end.value
                    self._branches.end(branch)
                    del under_way[branch]
                    continue
                if step.keep is not None:
                    self._branches.rewind(branch, step.keep)
                text.unread.extend(step.tokens)
        return tuple(candidate for branch in sorted(found) for candidate in found[branch])


def _check(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Cancelled("the writing was stopped")
