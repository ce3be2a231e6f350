"""How far one text has got in a grammar of llama.cpp.

Two things abort the process inside llama.cpp: accepting a token that the grammar forbids, and sampling from a
masked array that still calls itself sorted. Neither can happen here: `accept` refuses what `allowed` has not
just allowed, and no sampler of llama.cpp ever draws a token.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp  # noqa: TID253 - with `llama_weights`, one of those that own it
import numpy as np
import numpy.typing as npt

__all__ = ["Grammar"]


class Grammar:
    """One place in a grammar; `sampler` is llama.cpp's, and freed with it."""

    _ENTRY = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._allowed: frozenset[int] | set[int] = frozenset()

    @classmethod
    def compile(cls, vocab: Any, gbnf: str) -> Grammar:
        """Compile a grammar whose start symbol is `root`; ValueError where llama.cpp rejects it."""
        sampler = llama_cpp.llama_sampler_init_grammar(vocab, gbnf.encode("utf-8"), b"root")
        if not sampler:
            raise ValueError(f"llama.cpp rejects the grammar:\n{gbnf}")
        return cls(sampler)

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
