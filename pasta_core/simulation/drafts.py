"""First turns are written once, however many selectors are run on the same trajectories."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from pasta_core.domain import Candidate, CandidateForm, History, Progress, Writer

__all__ = ["SharedFirstDrafts"]

_MOST = 4096
"""First turns that are remembered; of later ones no two selectors have the same history."""


@dataclass
class _Draft:
    """The candidates of a first turn, and who writes them while there are none."""

    written: tuple[Candidate, ...] | None = None
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedFirstDrafts:
    """A writer that remembers the candidates of first turns, which depend on no selector.

    The same prompt, first images, form, budget and seed give the same candidates, so nothing but time depends
    on whether they are written or remembered.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._drafts: OrderedDict[Hashable, _Draft] = OrderedDict()

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write, or remember, or wait for who is writing the same."""
        if history.turns:
            return await self._writer.write(history, form, max_words, seed, progress)
        images = tuple(image.sha256 for image in history.initial_images)
        key = (history.initial_prompt, images, form, max_words, seed)
        draft = self._drafts.setdefault(key, _Draft())
        if len(self._drafts) > _MOST:
            self._drafts.popitem(last=False)
        async with draft.writing:
            if draft.written is None:
                draft.written = await self._writer.write(history, form, max_words, seed, progress)
            return draft.written
