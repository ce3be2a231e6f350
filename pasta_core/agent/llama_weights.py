"""One GGUF model as llama.cpp loads it: its vocabulary, what its file says, and no context yet.

The C interface is used directly, because the high-level one applies a grammar to the whole vocabulary at
every token, keeps scores of a whole batch, and can't be stopped while it reads a prompt.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp  # noqa: TID253 - the module that owns it
import numpy as np
import numpy.typing as npt

from pasta_core.agent.llama_grammar import Grammar
from pasta_core.agent.llama_words import hearing, no_memory, unknown_form
from pasta_core.errors import ModelUnavailable
from pasta_core.gguf_header import gguf_problem

__all__ = ["BATCH", "LlamaWeights", "Logits"]

BATCH = 256
"""Tokens per decoding pass; fixed, because another split of the same tokens may round differently."""

_ALL_LAYERS = 0x7FFFFFFF
"""Of the model."""

Logits = npt.NDArray[np.float32]


class LlamaWeights:
    """A loaded model, on the GPU where llama.cpp has one, unless not `gpu`.

    Raises `ModelUnavailable` where the file is missing, doesn't load or finds no memory.
    """

    def __init__(self, path: Path, *, gpu: bool = True) -> None:
        if not path.is_file():
            raise ModelUnavailable(
                f"the writer's model {path} is missing", "see 'pasta doctor' for what is installed"
            )
        with hearing() as said:
            self._model: Any = _loaded(path, gpu=gpu)
            if not self._model:
                raise no_memory(said, f"the writer's model {path.name}", gpu=gpu) or _refused(path, said)
        self.path = path
        self.gpu = gpu
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._model)
        self.vocabulary = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        self._control = np.fromiter(
            (llama_cpp.llama_vocab_is_control(self._vocab, token) for token in range(self.vocabulary)),
            dtype=np.bool_,
        )

    @property
    def handle(self) -> Any:
        """The model itself, for contexts of it."""
        return self._model

    @property
    def control(self) -> npt.NDArray[np.bool_]:
        """Which tokens are control tokens, (vocabulary,): no text ever holds one."""
        return self._control

    @property
    def recurrent(self) -> bool:
        """Whether its memory, or a part of it, is a state that can't go back."""
        is_hybrid = llama_cpp.llama_model_is_hybrid(self._model)
        return bool(is_hybrid or llama_cpp.llama_model_is_recurrent(self._model))

    @property
    def chat_template(self) -> str:
        """The chat template that the file carries, empty for a model that continues plain text."""
        found = llama_cpp.llama_model_chat_template(self._model, None)
        return found.decode("utf-8", "replace") if found else ""

    @property
    def begin_and_end(self) -> tuple[str, str]:
        """The text of the model's begin and end tokens, empty where it has none."""
        begin = llama_cpp.llama_vocab_bos(self._vocab)
        end = llama_cpp.llama_vocab_eos(self._vocab)
        return self._spelled(begin), self._spelled(end)

    def tokenize(self, text: str, *, begin: bool = False, special: bool = False) -> list[int]:
        """The tokens of a text; `begin` adds what the model wants first, `special` reads control tokens."""
        data = text.encode("utf-8")

        def fill(room: int) -> tuple[Any, int]:
            tokens = (llama_cpp.llama_token * room)()
            return tokens, llama_cpp.llama_tokenize(
                self._vocab, data, len(data), tokens, room, begin, special
            )

        tokens, count = _filled(fill, len(data) + 2)
        return list(tokens[:count])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of tokens; incomplete characters become U+FFFD."""
        return b"".join(self._piece(token, special=False) for token in tokens).decode("utf-8", "replace")

    def grammar(self, gbnf: str) -> Grammar:
        """Compile a grammar whose start symbol is `root`."""
        return Grammar.compile(self._vocab, gbnf)

    def close(self) -> None:
        """Free the model; its contexts must be gone."""
        if self._model:
            llama_cpp.llama_model_free(self._model)
            self._model = None

    def _spelled(self, token: int) -> str:
        return "" if token < 0 else self._piece(token, special=True).decode("utf-8", "replace")

    def _piece(self, token: int, *, special: bool) -> bytes:
        def fill(room: int) -> tuple[Any, int]:
            buffer = ctypes.create_string_buffer(room)
            return buffer, llama_cpp.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)

        buffer, count = _filled(fill, 32)
        return bytes(buffer.raw[:count])


def _refused(path: Path, said: Sequence[str]) -> ModelUnavailable:
    """Why a file does not load that there is memory for."""
    if unknown := unknown_form(said):
        return ModelUnavailable(
            f"the writer's model {path.name} {unknown}, which this llama.cpp does not know",
            "use another GGUF, or a newer llama-cpp-python",
        )
    problem = gguf_problem(path) or "does not load: it is damaged, or of a form that llama.cpp does not read"
    return ModelUnavailable(f"the writer's model {path} {problem}", "fetch or build the file again")


def _loaded(path: Path, *, gpu: bool) -> Any:
    """llama.cpp's own model, null where it doesn't load."""
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = _ALL_LAYERS if gpu else 0
    none = (ctypes.c_void_p * 1)(None)
    if not gpu:
        params.devices = ctypes.addressof(none)
    return llama_cpp.llama_model_load_from_file(str(path).encode("utf-8"), params)


def _filled(fill: Callable[[int], tuple[Any, int]], room: int) -> tuple[Any, int]:
    """What llama.cpp writes into a buffer: where it lacks room it answers with the room it needs, negated."""
    buffer, count = fill(room)
    return (buffer, count) if count >= 0 else fill(-count)
