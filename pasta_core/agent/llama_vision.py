"""The eyes of a writer: an image encoder (mmproj) whose output goes into the model's context as tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import llama_cpp  # noqa: TID253 - with `llama_weights`, one of those that own it
import numpy as np
from llama_cpp import mtmd_cpp  # noqa: TID253

from pasta_core.agent.llama_context import LlamaContext
from pasta_core.agent.llama_weights import BATCH, LlamaWeights
from pasta_core.agent.llama_words import hearing, no_memory
from pasta_core.agent.pictures import side_of
from pasta_core.domain import Pixels
from pasta_core.errors import Cancelled, ModelUnavailable, PastaError

__all__ = ["LlamaVision"]


class LlamaVision:
    """The image encoder in `path` beside a loaded model; a picture becomes at most about `tokens` tokens.

    Encoders of a fixed size have their own number. Raises `ModelUnavailable` where the file is missing, does
    not load, finds no memory or belongs to another model.
    """

    def __init__(self, path: Path, weights: LlamaWeights, tokens: int, threads: int) -> None:
        if not path.is_file():
            raise ModelUnavailable(
                f"the writer's image encoder {path} is missing", "see 'pasta doctor' for what is installed"
            )
        params = mtmd_cpp.mtmd_context_params_default()
        params.use_gpu = weights.gpu
        params.n_threads = threads
        params.image_max_tokens = tokens
        params.print_timings = False
        params.warmup = False
        self._handle: Any = None
        self._costs: dict[tuple[int, ...], int] = {}
        with ExitStack() as opened:
            opened.callback(self.close)
            self._load(path, weights, params)
            side = side_of(tokens)
            self._pass = max(BATCH, self.cost(np.zeros((side, side, 3), dtype=np.uint8)))
            opened.pop_all()

    @property
    def batch(self) -> int:
        """Tokens of a pass that hold a whole picture, as encoders without causality need it."""
        return self._pass

    def cost(self, picture: Pixels) -> int:
        """How many tokens of context a picture takes."""
        if picture.shape not in self._costs:
            with self._chunks(picture) as chunks:
                self._costs[picture.shape] = int(mtmd_cpp.mtmd_helper_get_n_tokens(chunks))
        return self._costs[picture.shape]

    def show(
        self, picture: Pixels, context: LlamaContext, position: int, should_stop: Callable[[], bool]
    ) -> int:
        """Encode a picture into sequence 0 of a context from a position on; returns the positions it takes.

        They may be fewer than its tokens. Raises `Cancelled` before it begins.
        """
        if should_stop():
            raise Cancelled("the writing was stopped")
        after = llama_cpp.llama_pos(position)
        with self._chunks(picture) as chunks:
            code = mtmd_cpp.mtmd_helper_eval_chunks(
                self._handle, context.handle, chunks, position, 0, self._pass, False, ctypes.byref(after)
            )
        if code != 0:
            raise PastaError(f"the writer could not look at a picture (code {code})", "see the worker's log")
        return int(after.value) - position

    def close(self) -> None:
        """Free the encoder."""
        if self._handle:
            mtmd_cpp.mtmd_free(self._handle)
            self._handle = None

    def _load(self, path: Path, weights: LlamaWeights, params: Any) -> None:
        with hearing(mtmd_cpp.mtmd_log_set, mtmd_cpp.mtmd_helper_log_set) as said:
            self._handle = mtmd_cpp.mtmd_init_from_file(str(path).encode("utf-8"), weights.handle, params)
            if not self._handle:
                foreign = any("mismatch" in line for line in said)
                what = f"the writer's image encoder {path.name}"
                raise no_memory(said, what, gpu=weights.gpu) or ModelUnavailable(
                    f"the image encoder {path.name} belongs to another model than {weights.path.name}"
                    if foreign
                    else f"the writer's image encoder {path} does not load",
                    "name the mmproj that was published with the writer's model",
                )
        if not mtmd_cpp.mtmd_support_vision(self._handle):
            raise ModelUnavailable(
                f"{path.name} encodes no images", "name the mmproj that was published with the writer's model"
            )

    @contextmanager
    def _chunks(self, picture: Pixels) -> Iterator[Any]:
        """A picture as the encoder wants it, with the tokens that go around one."""
        height, width, _ = picture.shape
        data = np.ascontiguousarray(picture)
        marker = mtmd_cpp.mtmd_default_marker()
        text = mtmd_cpp.mtmd_input_text(marker, len(marker), False, True)
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        bitmap = mtmd_cpp.mtmd_bitmap_init(width, height, pointer)
        chunks = mtmd_cpp.mtmd_input_chunks_init()
        try:
            bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
            code = mtmd_cpp.mtmd_tokenize(self._handle, chunks, ctypes.byref(text), bitmaps, 1)
            if code != 0:
                raise PastaError(
                    f"the writer's image encoder takes no picture of {width}x{height} (code {code})",
                    "set another writer.image_tokens in the profile",
                )
            yield chunks
        finally:
            mtmd_cpp.mtmd_input_chunks_free(chunks)
            mtmd_cpp.mtmd_bitmap_free(bitmap)
