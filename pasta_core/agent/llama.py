"""One GGUF model in one llama.cpp context: feed tokens, read logits, go back, ask a grammar.

The C interface is used directly, because the high-level one applies a grammar to the whole vocabulary at
every token and can't be stopped while it reads a prompt. Two things abort the process inside llama.cpp:
accepting a token that the grammar forbids, and sampling from a masked array that still calls itself sorted.
Neither can happen here: `Grammar.accept` refuses what `Grammar.allowed` has not just allowed, and no sampler
of llama.cpp ever draws a token.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp  # noqa: TID253 - the one module that owns it
import numpy as np
import numpy.typing as npt

from pasta_core.errors import Cancelled, ModelUnavailable, PastaError

__all__ = ["BATCH", "Grammar", "LlamaModel"]

BATCH = 256
"""Tokens per decoding pass; fixed, because another split of the same tokens may round differently."""

_LONG = 32
"""From so many tokens on a pass may last, and llama.cpp is asked to look for a stop inside it (CPU only)."""

_log = logging.getLogger(__name__)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _to_log(level: int, text: bytes, _data: object) -> None:
    # debug level whatever the origin: what matters comes back as an error, and nothing may reach the screen
    _log.debug("llama.cpp(%d): %s", level, text.decode("utf-8", "replace").rstrip())


class LlamaModel:
    """A loaded model with one sequence of tokens in its context.

    `context` is the window in tokens, `threads` the CPU threads of every pass. `exact_cache` keeps keys and
    values in float32 instead of float16. Raises `ModelUnavailable` where the file is missing or doesn't load.
    """

    def __init__(self, path: Path, context: int, threads: int, *, exact_cache: bool = False) -> None:
        if not path.is_file():
            raise ModelUnavailable(
                f"the writer's model {path} is missing", "see 'pasta doctor' for what is installed"
            )
        llama_cpp.llama_log_set(_to_log, ctypes.c_void_p(0))
        cache_type = llama_cpp.GGML_TYPE_F32 if exact_cache else None
        try:
            self._llama = llama_cpp.Llama(
                str(path),
                n_ctx=context,
                n_batch=BATCH,
                n_ubatch=BATCH,
                n_threads=threads,
                n_threads_batch=threads,
                n_gpu_layers=-1,
                type_k=cache_type,
                type_v=cache_type,
                verbose=False,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelUnavailable(
                f"the writer's model {path} does not load: it is truncated or not a readable GGUF file",
                "fetch or build the file again",
            ) from error
        self.path = path
        self.context = self._llama.n_ctx()
        self.vocabulary = self._llama.n_vocab()
        self._context: Any = self._llama.ctx
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._tokens: list[int] = []
        self._control = np.fromiter(
            (llama_cpp.llama_vocab_is_control(self._vocab, token) for token in range(self.vocabulary)),
            dtype=np.bool_,
        )

    @property
    def handle(self) -> Any:
        """The model itself, for other contexts of it."""
        return self._llama.model

    @property
    def control(self) -> npt.NDArray[np.bool_]:
        """Which tokens are control tokens, (vocabulary,): no text ever holds one."""
        return self._control

    @property
    def position(self) -> int:
        """How many tokens the context holds."""
        return len(self._tokens)

    @property
    def chat_template(self) -> str:
        """The chat template that the file carries, empty for a model that continues plain text."""
        metadata: dict[str, str] = self._llama.metadata
        return metadata.get("tokenizer.chat_template", "")

    @property
    def begin_and_end(self) -> tuple[str, str]:
        """The text of the model's begin and end tokens, empty where it has none."""
        return self._piece(self._llama.token_bos()), self._piece(self._llama.token_eos())

    def _piece(self, token: int) -> str:
        return "" if token < 0 else str(self._llama.detokenize([token], special=True), "utf-8", "replace")

    def tokenize(self, text: str, *, begin: bool = False, special: bool = False) -> list[int]:
        """The tokens of a text; `begin` adds what the model wants first, `special` reads control tokens."""
        return list(self._llama.tokenize(text.encode("utf-8"), add_bos=begin, special=special))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of tokens; incomplete characters become U+FFFD."""
        return str(self._llama.detokenize(list(tokens)), "utf-8", "replace")

    def clear(self) -> None:
        """Forget everything, so that what follows never depends on what came before."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._tokens.clear()

    def feed(self, tokens: Sequence[int], should_stop: Callable[[], bool]) -> None:
        """Read tokens after those in the context; `Cancelled` as soon as `should_stop` says so."""
        if self.position + len(tokens) > self.context:
            raise PastaError(
                f"the writer's context of {self.context} tokens is full", "set a larger writer.context"
            )
        for start in range(0, len(tokens), BATCH):
            self._pass(tokens[start : start + BATCH], should_stop)

    def _pass(self, tokens: Sequence[int], should_stop: Callable[[], bool]) -> None:
        if should_stop():
            raise Cancelled("the writing was stopped")
        watch = len(tokens) >= _LONG
        callback = llama_cpp.ggml_abort_callback(lambda _data: should_stop())
        if watch:
            llama_cpp.llama_set_abort_callback(self._context, callback, ctypes.c_void_p(0))
        try:
            array = (llama_cpp.llama_token * len(tokens))(*tokens)
            code = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(tokens)))
        finally:
            if watch:
                llama_cpp.llama_set_abort_callback(
                    self._context, llama_cpp.ggml_abort_callback(), ctypes.c_void_p(0)
                )
        if code == 0:
            self._tokens.extend(tokens)
            return
        self.clear()
        if should_stop():
            raise Cancelled("the writing was stopped")
        raise PastaError(
            f"llama.cpp could not read the writer's prompt (code {code})", "see the worker's log"
        )

    def rewind(self, position: int, should_stop: Callable[[], bool]) -> None:
        """Go back to an earlier length of the context; where the memory can't, all is fed again."""
        kept = self._tokens[:position]
        if llama_cpp.llama_memory_seq_rm(self._memory, 0, position, -1):
            del self._tokens[position:]
            return
        self.clear()
        self.feed(kept, should_stop)

    def logits(self) -> npt.NDArray[np.float32]:
        """The logits after the last token, a copy of shape (vocabulary,); control tokens are at -inf."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, -1)
        logits = np.ctypeslib.as_array(pointer, shape=(self.vocabulary,)).copy()
        logits[self._control] = -np.inf
        return logits

    def grammar(self, gbnf: str) -> Grammar:
        """Compile a grammar whose start symbol is `root`."""
        sampler = llama_cpp.llama_sampler_init_grammar(self._vocab, gbnf.encode("utf-8"), b"root")
        if not sampler:
            raise ValueError(f"llama.cpp rejects the grammar:\n{gbnf}")
        return Grammar(sampler)

    def close(self) -> None:
        """Free the model and its context."""
        self._llama.close()


class Grammar:
    """How far one text has got in a grammar."""

    _ENTRY = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._allowed: frozenset[int] | set[int] = frozenset()

    def copy(self) -> Grammar:
        """The same place in the same grammar, to go on from separately."""
        return Grammar(llama_cpp.llama_sampler_clone(self._sampler))

    def allowed(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Which of the tokens may come next."""
        entries = np.zeros(len(tokens), dtype=self._ENTRY)
        entries["id"] = tokens
        array = llama_cpp.llama_token_data_array(
            data=entries.ctypes.data_as(llama_cpp.llama_token_data_p),
            size=len(tokens),
            selected=-1,
            sorted=False,
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        ok: npt.NDArray[np.bool_] = np.isfinite(entries["logit"])
        self._allowed = set(tokens[ok].tolist())
        return ok

    def accept(self, token: int) -> None:
        """Move on by a token that the last `allowed` has allowed; any other is a ValueError."""
        if token not in self._allowed:
            raise ValueError(f"token {token} was not allowed by the grammar")
        llama_cpp.llama_sampler_accept(self._sampler, token)
        self._allowed = frozenset()

    def __del__(self) -> None:
        if getattr(self, "_sampler", None):
            llama_cpp.llama_sampler_free(self._sampler)
