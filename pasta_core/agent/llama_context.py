"""A context of a GGUF model: sequences of tokens, their keys and values, and passes over them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp  # noqa: TID253 - with `llama_weights`, one of those that own it
import numpy as np

from pasta_core.agent.llama_weights import BATCH, LlamaWeights, Logits
from pasta_core.errors import Cancelled, ModelUnavailable, PastaError

__all__ = ["LlamaContext", "Row", "context_full"]

Row = tuple[int, int, int]
"""A token, its position and its sequence."""

_LONG = 32
"""From so many tokens on a pass may last, and llama.cpp is asked to look for a stop inside it (CPU only)."""


def context_full(context: int) -> PastaError:
    """The error of a text that outgrows a window of so many tokens."""
    return PastaError(
        f"the writer's context of {context} tokens is full", "set a larger writer.context in the profile"
    )


class LlamaContext:
    """Room for `cells` tokens of `sequences` sequences in one context of a loaded model.

    With `unified` the sequences share the cells, and those that were copied from one another share what they
    have in common; else each has an equal part of its own, so that none ever depends on its neighbours.
    `batch` is the most tokens that others than `read` put into a pass. `exact` keeps keys and values in
    float32, `fused` lets llama.cpp choose flash attention where it is faster.
    Raises `ModelUnavailable` where there is no memory for it.
    """

    def __init__(
        self,
        weights: LlamaWeights,
        cells: int,
        threads: int,
        *,
        sequences: int = 1,
        batch: int = BATCH,
        unified: bool = True,
        exact: bool = False,
        fused: bool = True,
    ) -> None:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_seq_max = sequences
        params.n_batch = params.n_ubatch = max(batch, sequences)
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = unified
        if exact:
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
        if not fused:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.weights = weights
        self.cells = cells
        self.handle: Any = llama_cpp.llama_init_from_model(weights.handle, params)
        if not self.handle:
            raise ModelUnavailable(
                f"there is no memory for {cells} tokens of the writer {weights.path.name}",
                "set a smaller writer.context or writer.slots in the profile",
            )
        self._memory: Any = llama_cpp.llama_get_memory(self.handle)
        self._batch: Any = llama_cpp.llama_batch_init(max(BATCH, sequences), 0, 1)

    def decode(self, rows: Sequence[Row], *, every: bool) -> None:
        """One pass over at most `BATCH` rows; logits of every row, or of the last alone."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for place, (token, position, sequence) in enumerate(rows):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = every or place == len(rows) - 1
        code = llama_cpp.llama_decode(self.handle, batch)
        if code != 0:
            raise PastaError(
                f"llama.cpp could not read the writer's texts (code {code})", "see the worker's log"
            )

    def read(
        self, sequence: int, position: int, tokens: Sequence[int], should_stop: Callable[[], bool]
    ) -> None:
        """Read tokens into a sequence from a position on; `Cancelled` as soon as `should_stop` says so.

        After an error the sequence holds a part of them.
        """
        for start in range(0, len(tokens), BATCH):
            part = tokens[start : start + BATCH]
            rows = [(token, position + start + place, sequence) for place, token in enumerate(part)]
            self._watched(rows, should_stop)

    def _watched(self, rows: Sequence[Row], should_stop: Callable[[], bool]) -> None:
        if should_stop():
            raise Cancelled("the writing was stopped")
        if len(rows) < _LONG:
            return self.decode(rows, every=False)
        callback = llama_cpp.ggml_abort_callback(lambda _data: should_stop())
        llama_cpp.llama_set_abort_callback(self.handle, callback, ctypes.c_void_p(0))
        try:
            self.decode(rows, every=False)
        except PastaError as error:
            if should_stop():
                raise Cancelled("the writing was stopped") from error
            raise
        finally:
            nobody = llama_cpp.ggml_abort_callback()
            llama_cpp.llama_set_abort_callback(self.handle, nobody, ctypes.c_void_p(0))

    def logits(self, row: int = -1) -> Logits:
        """The logits of a row of the last pass, a copy (vocabulary,); control tokens are at -inf."""
        pointer = llama_cpp.llama_get_logits_ith(self.handle, row)
        logits = np.ctypeslib.as_array(pointer, shape=(self.weights.vocabulary,)).copy()
        logits[self.weights.control] = -np.inf
        return logits

    def clear(self) -> None:
        """Forget everything, so that what follows never depends on what came before."""
        llama_cpp.llama_memory_clear(self._memory, True)

    def copy(self, source: int, target: int) -> None:
        """Make `target` what `source` is."""
        llama_cpp.llama_memory_seq_rm(self._memory, target, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, sequence: int, position: int = -1) -> bool:
        """Forget a sequence from a position on, all of it without one; False where the memory can't."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1))

    def close(self) -> None:
        """Free the context; the weights stay."""
        if self.handle:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self.handle)
            self.handle = None
