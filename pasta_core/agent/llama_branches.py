"""Texts of one GGUF model that go on from a prompt they share: it is read once and lies in memory once.

Sequence 0 holds what is shared and is never written behind, so that a text which must be asked again can
always be made anew from it, also by models whose memory can't go back (recurrent ones, sliding windows).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pasta_core.agent.llama_context import LlamaContext, context_full
from pasta_core.agent.llama_vision import LlamaVision
from pasta_core.agent.llama_weights import BATCH, LlamaWeights, Logits
from pasta_core.agent.writing_prompt import Part

__all__ = ["LlamaBranches"]


class LlamaBranches:
    """A shared beginning and at most `branches` texts behind it, all in a window of `context` tokens.

    Without `vision` it is shown no pictures.
    Raises `ModelUnavailable` where there is no memory for it.
    """

    def __init__(
        self, weights: LlamaWeights, branches: int, context: int, threads: int, vision: LlamaVision | None
    ) -> None:
        self.context = context
        self._vision = vision
        batch = BATCH if vision is None else vision.batch
        self._context = LlamaContext(weights, context, threads, sequences=branches + 1, batch=batch)
        self._position = 0
        self._cells = 0
        self._tokens: dict[int, list[int]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._context.clear()
        self._position = self._cells = 0
        self._tokens.clear()

    def share(self, parts: Sequence[Part], should_stop: Callable[[], bool]) -> None:
        """Read what all texts begin with, pictures by `vision`. `Cancelled` where it is stopped."""
        for part in parts:
            if isinstance(part, list):
                self._check_room(len(part))
                self._context.read(0, self._position, part, should_stop)
                self._position += len(part)
                self._cells += len(part)
            else:
                assert self._vision is not None, "only a writer that sees is shown pictures"
                self._check_room(self._vision.cost(part))
                self._position += self._vision.show(part, self._context, self._position, should_stop)
                self._cells += self._vision.cost(part)

    def fork(self, branch: int) -> None:
        """Begin a text, also in the place of one, behind what is shared."""
        self._context.copy(0, branch + 1)
        self._tokens[branch] = []

    def adopt(self, branch: int) -> None:
        """Share what one text holds, and end all texts."""
        tokens = self._tokens[branch]
        self._context.copy(branch + 1, 0)
        self._position += len(tokens)
        self._cells += len(tokens)
        for other in tuple(self._tokens):
            self.end(other)

    def end(self, branch: int) -> None:
        """Forget a text."""
        self._context.forget(branch + 1)
        del self._tokens[branch]

    def rewind(self, branch: int, length: int) -> None:
        """Go back to the first tokens of a text; where the memory can't, they are read again."""
        kept = self._tokens[branch][:length]
        if self._context.forget(branch + 1, self._position + length):
            self._tokens[branch] = kept
            return
        self.fork(branch)
        self._context.read(branch + 1, self._position, kept, lambda: False)
        self._tokens[branch] = kept

    def step(self, tokens: Mapping[int, int]) -> dict[int, Logits]:
        """Read one token into each of these texts; returns each one's logits (vocabulary,) after it."""
        self._check_room(len(tokens))
        rows = [
            (token, self._position + len(self._tokens[branch]), branch + 1)
            for branch, token in tokens.items()
        ]
        self._context.decode(rows, every=True)
        for branch, token in tokens.items():
            self._tokens[branch].append(token)
        return {branch: self._context.logits(row) for row, branch in enumerate(tokens)}

    def close(self) -> None:
        """Free the context; the weights stay."""
        self._context.close()

    def _check_room(self, tokens: int) -> None:
        if self._cells + sum(map(len, self._tokens.values())) + tokens > self.context:
            raise context_full(self.context)
