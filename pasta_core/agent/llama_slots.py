"""Several sequences of one GGUF model, a token of each in every pass.

Each sequence has a stream of keys and values of its own, and every pass has the same shape: a slot that is
idle reads a token that is forgotten at once. So what a sequence comes to never depends on its neighbours
(measured in tests: logits are bit-equal). They differ in rounding from those of a sequence decoded alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pasta_core.agent.llama_context import LlamaContext, context_full
from pasta_core.agent.llama_weights import LlamaWeights, Logits

__all__ = ["LlamaSlots"]

_IDLE_TOKEN = 0


class LlamaSlots:
    """`slots` empty sequences of a loaded model, each with a window of `context` tokens.

    Raises `ModelUnavailable` where there is no memory for them.
    """

    def __init__(self, weights: LlamaWeights, slots: int, context: int, threads: int) -> None:
        self.slots = slots
        self.context = context
        # one stream a sequence: in a shared one, a row's cells lie where the neighbours left room
        self._context = LlamaContext(weights, context * slots, threads, sequences=slots, unified=False)
        # a recurrent memory would keep what an idle slot has read
        self._padded = not weights.recurrent
        self._tokens: list[list[int]] = [[] for _ in range(slots)]

    def position(self, slot: int) -> int:
        """How many tokens a slot holds."""
        return len(self._tokens[slot])

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._context.forget(slot)
        self._tokens[slot].clear()

    def rewind(self, slot: int, position: int) -> None:
        """Go back to an earlier length; where the memory can't, all is read again."""
        kept = self._tokens[slot][:position]
        if self._context.forget(slot, position):
            del self._tokens[slot][position:]
            return
        self.clear(slot)
        self.read(slot, kept)

    def read(self, slot: int, tokens: Sequence[int]) -> Logits:
        """Read many tokens into one slot, alone; returns the logits (vocabulary,) after the last."""
        self._check_room(slot, len(tokens))
        self._context.read(slot, self.position(slot), tokens, lambda: False)
        self._tokens[slot].extend(tokens)
        return self._context.logits()

    def step(self, tokens: Mapping[int, int]) -> dict[int, Logits]:
        """Read one token into each of these slots; returns each one's logits (vocabulary,) after it."""
        for slot in tokens:
            self._check_room(slot, 1)
        read = tuple(range(self.slots)) if self._padded else tuple(tokens)
        rows = [(tokens.get(slot, _IDLE_TOKEN), self.position(slot), slot) for slot in read]
        self._context.decode(rows, every=True)
        for slot in read:
            if slot in tokens:
                self._tokens[slot].append(tokens[slot])
            else:
                self._context.forget(slot, self.position(slot))
        return {slot: self._context.logits(row) for row, slot in enumerate(read) if slot in tokens}

    def close(self) -> None:
        """Free the sequences; the model stays."""
        self._context.close()

    def _check_room(self, slot: int, tokens: int) -> None:
        if self.position(slot) + tokens > self.context:
            raise context_full(self.context)
