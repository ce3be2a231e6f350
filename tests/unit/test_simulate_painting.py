"""Painting for many at once: full passes, nothing twice, and a failure that stays with its own images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pasta_core.domain import PaintedImage, Progress
from pasta_core.errors import WorkerError
from pasta_core.simulation.batching import BatchingPainter
from tests.support.rollouts import NoisePainter, paint_one


class SlowPainter(NoisePainter):
    """Gives others time to ask for more."""

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        async for painted in super().paint(prompts, seeds, progress):
            await asyncio.sleep(0)
            yield painted


class MoodyPainter(SlowPainter):
    """Fails the first call, for the time being."""

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        first = not self.asked
        async for painted in super().paint(prompts, seeds, progress):
            if first and painted.column >= 2:
                raise WorkerError("it died")
            yield painted


async def collect(
    painter: BatchingPainter, prompts: Sequence[str], seeds: Sequence[Sequence[int]]
) -> list[str]:
    found = []
    async for painted in painter.paint(prompts, seeds, lambda done, total: None):
        expected = paint_one(prompts[painted.column], seeds[painted.column][painted.index])
        assert painted.image.sha256 == expected.sha256
        found.append(f"{painted.column}.{painted.index}")
    return found


def test_rollouts_share_full_passes_in_slate_order() -> None:
    async def main() -> None:
        inner = SlowPainter()
        painter = BatchingPainter(inner, batch=8, pass_size=4)
        asked = [collect(painter, [f"a {n}", f"b {n}"], [[n, n + 100], [n, n + 100]]) for n in range(7)]
        assert await asyncio.gather(*asked) == [["0.0", "0.1", "1.0", "1.1"]] * 7
        assert [len(prompts) for prompts, _ in inner.asked] == [8, 8, 8, 4]
        assert (painter.counts.asked, painter.counts.painted, painter.counts.calls) == (28, 28, 4)
        assert painter.counts.busy > 0

    asyncio.run(main())


def test_the_same_prompt_and_seed_is_painted_once() -> None:
    async def main() -> None:
        inner = SlowPainter()
        painter = BatchingPainter(inner, batch=8, pass_size=4)
        await asyncio.gather(*(collect(painter, ["a cat"], [[1, 2]]) for _ in range(5)))
        await collect(painter, ["a cat", "a cat"], [[2], [3]])
        assert painter.counts.painted == 3

    asyncio.run(main())


def test_old_pictures_are_forgotten_when_memory_is_full() -> None:
    async def main() -> None:
        painter = BatchingPainter(NoisePainter(), batch=4, pass_size=4, remembered=2 * 8 * 8 * 3)
        for seed in (1, 2, 3, 3, 1):
            await collect(painter, ["a cat"], [[seed]])
        assert painter.counts.painted == 4

    asyncio.run(main())


def test_a_failed_call_fails_only_what_it_owed_and_can_be_made_again() -> None:
    async def main() -> None:
        painter = BatchingPainter(MoodyPainter(), batch=4, pass_size=4)
        with pytest.raises(WorkerError):
            await collect(painter, ["a", "b", "c"], [[1], [1], [1]])
        assert await collect(painter, ["a", "b", "c"], [[1], [1], [1]]) == ["0.0", "1.0", "2.0"]
        assert painter.counts.painted == 3

    asyncio.run(main())


def test_who_leaves_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        painter = BatchingPainter(SlowPainter(), batch=4, pass_size=4)
        leaving = asyncio.create_task(collect(painter, ["a"], [[1, 2, 3]]))
        staying = asyncio.create_task(collect(painter, ["a"], [[1, 2, 3]]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == ["0.0", "0.1", "0.2"]
        await painter.close()

    asyncio.run(main())
