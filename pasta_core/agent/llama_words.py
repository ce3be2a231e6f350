"""What llama.cpp says while it loads something: it hands back nothing, and only its words tell why."""

from __future__ import annotations

import ctypes
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llama_cpp  # noqa: TID253 - with `llama_weights`, one of those that own it

from pasta_core.errors import ModelUnavailable
from pasta_core.text import clean

__all__ = ["hearing", "no_memory", "unknown_form"]

_KEPT = 200
"""Lines that are kept: the last ones tell what went wrong."""

_LACKS_MEMORY = (
    "out of memory",
    "unable to allocate",
    "failed to allocate",
    "cannot allocate memory",
    "insufficient memory",
    "bad_alloc",
)

_UNKNOWN = (
    (re.compile(r"unknown model architecture: '([^']{1,40})'"), "is of the architecture"),
    (re.compile(r"unknown pre-tokenizer type: '([^']{1,40})'"), "has a tokenizer of the type"),
)
"""What it says of a file that is newer than itself."""

_log = logging.getLogger(__name__)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _listen(level: int, text: bytes, _data: object) -> None:
    # debug level whatever the origin: what matters comes back as an error
    _log.debug("llama.cpp(%d): %s", level, _line(text))


@contextmanager
def hearing(*others: Callable[[Any, ctypes.c_void_p], None]) -> Iterator[Sequence[str]]:
    """The last lines that llama.cpp says meanwhile; nothing of it ever reaches the screen.

    `others` set the log of more than llama.cpp and its backends. If the block raises, the lines are logged.
    """
    said: deque[str] = deque(maxlen=_KEPT)

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def keep(level: int, text: bytes, data: object) -> None:
        said.append(_line(text))
        _listen(level, text, data)

    setters = (llama_cpp.llama_log_set, *others)
    for setter in setters:
        setter(keep, ctypes.c_void_p(0))
    try:
        yield said
    except ModelUnavailable:
        for line in [line for line in said if line][-3:]:
            _log.info("llama.cpp: %s", line)
        raise
    finally:
        for setter in setters:
            setter(_listen, ctypes.c_void_p(0))


def no_memory(said: Sequence[str], what: str, *, gpu: bool) -> ModelUnavailable | None:
    """The error of a load of `what`, onto a GPU or not, that found no memory; None where that is not why."""
    if not any(sign in line.lower() for line in said for sign in _LACKS_MEMORY):
        return None
    memory = "GPU memory" if gpu and llama_cpp.llama_supports_gpu_offload() else "memory"
    return ModelUnavailable(
        f"there is no {memory} left for {what}",
        "'pasta plan' says what fits: close what else uses it, or choose --memory swap or a smaller model",
    )


def unknown_form(said: Sequence[str]) -> str:
    """What a file is that llama.cpp has never heard of, "is of the architecture ..."; "" where it has."""
    for pattern, what in _UNKNOWN:
        for line in said:
            if found := pattern.search(line):
                return f"{what} {found[1]}"
    return ""


def _line(text: bytes) -> str:
    return clean(text.decode("utf-8", "replace")).text
