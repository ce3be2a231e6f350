"""First turns are written once, however many selectors are run on the same trajectories."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from pasta_core.domain import Candidate, CandidateForm, History, Progress, Writer

__all__ = ["SharedFirstDrafts"]

_MOST = 4096
"""First turns that are remembered; of later ones no two selectors have the same history."""


class SharedFirstDrafts:
    """A writer that remembers the candidates of first turns, which depend on no selector.

    The same prompt, first images, form, budget and seed give the same candidates, so nothing but time depends
    on whether they are written or remembered.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._drafts: OrderedDict[Hashable, tuple[Candidate, ...]] = OrderedDict()

    async def write(
        self, history: History, form: CandidateForm, max_words: int, seed: int, progress: Progress
    ) -> tuple[Candidate, ...]:
        """Write, or remember."""
        if history.turns:
            return await self._writer.write(history, form, max_words, seed, progress)
        images = tuple(image.sha256 for image in history.initial_images)
        key = (history.initial_prompt, images, form, max_words, seed)
        if key not in self._drafts:
            self._drafts[key] = await self._writer.write(history, form, max_words, seed, progress)
            if len(self._drafts) > _MOST:
                self._drafts.popitem(last=False)
        return self._drafts[key]
