"""Several sequences of one GGUF model, a token of each in every pass.

Each sequence has a stream of keys and values of its own, and every pass has the same shape: a slot that is
idle reads a token that is forgotten at once. So what a sequence comes to never depends on its neighbours
(measured in tests: logits are bit-equal). They differ in rounding from those of a sequence decoded alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import llama_cpp  # noqa: TID253 - with `llama`, the one that owns it
import numpy as np
import numpy.typing as npt

from pasta_core.agent.llama import BATCH, LlamaModel
from pasta_core.errors import ModelUnavailable, PastaError

__all__ = ["LlamaSlots"]

_IDLE_TOKEN = 0

Logits = npt.NDArray[np.float32]


class LlamaSlots:
    """`slots` empty sequences of a loaded model, each with a window of `context` tokens.

    Raises `ModelUnavailable` where there is no memory for them.
    """

    def __init__(self, model: LlamaModel, slots: int, context: int, threads: int) -> None:
        self.slots = slots
        self.context = context
        self._model = model
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context * slots
        params.n_seq_max = slots
        params.n_batch = params.n_ubatch = max(BATCH, slots)
        params.n_threads = params.n_threads_batch = threads
        # one stream a sequence: in a shared one, a row's cells lie where the neighbours left room
        params.kv_unified = False
        self._context: Any = llama_cpp.llama_init_from_model(model.handle, params)
        if not self._context:
            raise ModelUnavailable(
                f"there is no memory for {slots} texts of {context} tokens at once",
                "write fewer at once or set a smaller writer.context",
            )
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch: Any = llama_cpp.llama_batch_init(max(BATCH, slots), 0, 1)
        self._tokens: list[list[int]] = [[] for _ in range(slots)]

    def position(self, slot: int) -> int:
        """How many tokens a slot holds."""
        return len(self._tokens[slot])

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)
        self._tokens[slot].clear()

    def rewind(self, slot: int, position: int) -> None:
        """Go back to an earlier length; where the memory can't, all is read again."""
        kept = self._tokens[slot][:position]
        if llama_cpp.llama_memory_seq_rm(self._memory, slot, position, -1):
            del self._tokens[slot][position:]
            return
        self.clear(slot)
        self.read(slot, kept)

    def read(self, slot: int, tokens: Sequence[int]) -> Logits:
        """Read many tokens into one slot, alone; returns the logits (vocabulary,) after the last."""
        self._check_room(slot, len(tokens))
        for start in range(0, len(tokens), BATCH):
            part = tokens[start : start + BATCH]
            first = self.position(slot)
            self._decode([(token, first + place, slot) for place, token in enumerate(part)], every=False)
            self._tokens[slot].extend(part)
        return self._logits(-1)

    def step(self, tokens: Mapping[int, int]) -> dict[int, Logits]:
        """Read one token into each of these slots; returns each one's logits (vocabulary,) after it."""
        for slot in tokens:
            self._check_room(slot, 1)
        rows = [(tokens.get(slot, _IDLE_TOKEN), self.position(slot), slot) for slot in range(self.slots)]
        self._decode(rows, every=True)
        for slot in range(self.slots):
            if slot in tokens:
                self._tokens[slot].append(tokens[slot])
            else:
                llama_cpp.llama_memory_seq_rm(self._memory, slot, self.position(slot), -1)
        return {slot: self._logits(slot) for slot in tokens}

    def close(self) -> None:
        """Free the sequences; the model stays."""
        if self._context:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._context)
            self._context = None

    def _check_room(self, slot: int, tokens: int) -> None:
        if self.position(slot) + tokens > self.context:
            raise PastaError(
                f"the writer's context of {self.context} tokens is full", "set a larger writer.context"
            )

    def _decode(self, rows: Sequence[tuple[int, int, int]], *, every: bool) -> None:
        """One pass over (token, position, slot) rows; logits of every row, or of the last alone."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for place, (token, position, slot) in enumerate(rows):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = slot
            batch.logits[place] = every or place == len(rows) - 1
        code = llama_cpp.llama_decode(self._context, batch)
        if code != 0:
            raise PastaError(
                f"llama.cpp could not read the writer's texts (code {code})", "see the worker's log"
            )

    def _logits(self, row: int) -> Logits:
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        logits = np.ctypeslib.as_array(pointer, shape=(self._model.vocabulary,)).copy()
        logits[self._model.control] = -np.inf
        return logits
