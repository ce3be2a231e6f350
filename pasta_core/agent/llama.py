"""One GGUF model with one sequence of tokens: feed tokens, read logits, go back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pasta_core.agent.llama_context import LlamaContext, context_full
from pasta_core.agent.llama_weights import LlamaWeights, Logits
from pasta_core.errors import PastaError

__all__ = ["LlamaModel"]


class LlamaModel(LlamaWeights):
    """A loaded model with one sequence of tokens in its context.

    `context` is the window in tokens, `threads` the CPU threads of every pass. `exact_cache` keeps keys and
    values in float32 instead of float16. Raises `ModelUnavailable` where the file is missing or doesn't load.
    """

    def __init__(
        self, path: Path, context: int, threads: int, *, exact_cache: bool = False, gpu: bool = True
    ) -> None:
        super().__init__(path, gpu=gpu)
        self.context = context
        with ExitStack() as opened:
            opened.callback(super().close)
            self._context = LlamaContext(self, context, threads, exact=exact_cache, fused=False)
            opened.pop_all()
        self._tokens: list[int] = []

    @property
    def position(self) -> int:
        """How many tokens the context holds."""
        return len(self._tokens)

    def clear(self) -> None:
        """Forget everything, so that what follows never depends on what came before."""
        self._context.clear()
        self._tokens.clear()

    def feed(self, tokens: Sequence[int], should_stop: Callable[[], bool]) -> None:
        """Read tokens after those in the context; `Cancelled` as soon as `should_stop` says so."""
        if self.position + len(tokens) > self.context:
            raise context_full(self.context)
        try:
            self._context.read(0, self.position, tokens, should_stop)
        except PastaError:
            self.clear()
            raise
        self._tokens.extend(tokens)

    def rewind(self, position: int, should_stop: Callable[[], bool]) -> None:
        """Go back to an earlier length of the context; where the memory can't, all is fed again."""
        kept = self._tokens[:position]
        if self._context.forget(0, position):
            del self._tokens[position:]
            return
        self.clear()
        self.feed(kept, should_stop)

    def logits(self) -> Logits:
        """The logits after the last token, a copy of shape (vocabulary,); control tokens are at -inf."""
        return self._context.logits()

    def close(self) -> None:
        """Free the model and its context."""
        self._context.close()
        super().close()
