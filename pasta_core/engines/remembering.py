"""Running models that are asked for no text's embedding twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from pasta_core.domain import Embedding, Painter, Writer
from pasta_core.engines.local import ModelServices

__all__ = ["RememberingServices"]

_MOST = 8192
"""Texts that are remembered: more than those of all turns that are under way at a time."""


class RememberingServices:
    """The same services; as an embedding depends on its text alone, only time depends on what is remembered.

    A turn's candidates are looked at by whatever judges them, those of first turns by every selector.
    """

    def __init__(self, services: ModelServices, remembered: int = _MOST) -> None:
        self._services = services
        self._remembered = remembered
        self._known: OrderedDict[str, Embedding] = OrderedDict()

    @property
    def writer(self) -> Writer:
        return self._services.writer

    @property
    def painter(self) -> Painter:
        return self._services.painter

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """CLIP's text embeddings before normalisation, (n, d)."""
        found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, await self._services.embed_texts(missing), strict=True))
        for text, row in found.items():
            self._known[text] = row
            self._known.move_to_end(text)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return np.stack([found[text] for text in texts])
