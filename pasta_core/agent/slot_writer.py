"""Writing for many at once: every pass of the model moves all texts on by a token."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from pasta_core.agent.llama_slots import LlamaSlots
from pasta_core.agent.llama_weights import LlamaWeights, Logits
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.scripts import Answer
from pasta_core.agent.writing import Script, Step, Writing
from pasta_core.agent.writing_prompt import WriterPrompt
from pasta_core.domain import Candidate, Progress
from pasta_core.errors import Cancelled, PastaError
from pasta_core.settings import WriterProfile

__all__ = ["Finished", "SlotWriter"]

Finished = Callable[[tuple[Candidate, ...] | PastaError], None]
"""Takes what a request came to."""


@dataclass
class _Text:
    """One request under way: its script, and the tokens it waits to have read."""

    script: Script[tuple[Candidate, ...]]
    finished: Finished
    should_stop: Callable[[], bool]
    unread: deque[int] = field(default_factory=deque)


class SlotWriter:
    """Writes up to `slots` requests side by side; each gives what it would give in any company.

    Loads the model at once; `ModelUnavailable` if it or its template is missing or broken. Not thread-safe.
    """

    def __init__(self, profile: WriterProfile, slots: int, *, gpu: bool = True) -> None:
        with ExitStack() as opened:
            self._model = LlamaWeights(profile.model, gpu=gpu)
            opened.callback(self._model.close)
            self._slots = LlamaSlots(self._model, slots, profile.context, profile.threads)
            opened.callback(self._slots.close)
            self._prompt = WriterPrompt(profile, self._model, profile.context)
            self._writing = Writing(profile, self._model)
            opened.pop_all()
        self._texts: dict[int, _Text] = {}

    @property
    def free(self) -> int:
        """How many requests more can begin."""
        return self._slots.slots - len(self._texts)

    def begin(
        self,
        request: WriteRequest,
        should_stop: Callable[[], bool],
        progress: Progress,
        finished: Finished,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Read a request's prompt into a free slot; `finished` is called by this or a later `advance`.

        `note` is told what a person should read of it.
        """
        slot = next(number for number in range(self._slots.slots) if number not in self._texts)
        self._slots.clear(slot)
        text = _Text(self._script(request, progress, note), finished, should_stop)
        self._texts[slot] = text
        try:
            # the prompt is read alone, in passes that depend on nothing else
            self._go_on(slot, self._slots.read(slot, next(text.script).tokens))
        except PastaError as error:
            self._end(slot, error)

    def advance(self) -> None:
        """One pass: every text reads a token, and those that have read all they wanted go on."""
        for slot, text in list(self._texts.items()):
            if text.should_stop():
                self._end(slot, Cancelled("the writing was stopped"))
            elif self._slots.position(slot) + 1 > self._slots.context:
                self._end(slot, PastaError("the writer's context is full", "set a larger writer.context"))
        if not self._texts:
            return
        logits = self._slots.step({slot: text.unread.popleft() for slot, text in self._texts.items()})
        for slot, row in logits.items():
            if not self._texts[slot].unread:
                self._go_on(slot, row)

    def close(self) -> None:
        """Free the model; texts under way are dropped."""
        self._writing.close()
        self._slots.close()
        self._model.close()

    def _script(
        self, request: WriteRequest, progress: Progress, note: Callable[[str], None]
    ) -> Script[tuple[Candidate, ...]]:
        prompt = self._prompt.of(request)
        for text in prompt.notes:
            note(text)
        answer = Answer(self._writing, request, progress)
        return (yield from answer.whole(prompt.tokens))

    def _go_on(self, slot: int, logits: Logits) -> None:
        text = self._texts[slot]
        try:
            step: Step = text.script.send(logits)
            if step.keep is not None:
                self._slots.rewind(slot, step.keep)
            text.unread.extend(step.tokens)
        except StopIteration as end:
            self._end(slot, end.value)
        except PastaError as error:
            self._end(slot, error)

    def _end(self, slot: int, outcome: tuple[Candidate, ...] | PastaError) -> None:
        self._texts.pop(slot).finished(outcome)
