"""Services that remember text embeddings: the same rows, and each text asked for once while there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from pasta_core.domain import Embedding
from pasta_core.engines.remembering import RememberingServices


class Lengths:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        self.asked.append(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def test_texts_are_asked_for_once_and_come_in_their_order() -> None:
    async def read() -> tuple[list[list[list[float]]], list[list[str]]]:
        services = Lengths()
        known = RememberingServices(services, remembered=3)  # type: ignore[arg-type]
        wanted = (["a", "bb", "a"], ["bb", "ccc", "a"], ["dddd"], ["bb"], ["e", "f", "g", "h"])
        return [(await known.embed_texts(texts)).tolist() for texts in wanted], services.asked

    rows, asked = asyncio.run(read())
    assert rows[:2] == [[[1, 97], [2, 98], [1, 97]], [[2, 98], [3, 99], [1, 97]]]
    assert len(rows[4]) == 4, "more than are remembered"
    # the oldest three of four are gone before the last two are asked for
    assert asked == [["a", "bb"], ["ccc"], ["dddd"], ["bb"], ["e", "f", "g", "h"]]
