"""Images before and while they become durable: previews pass by, and files are written beside painting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.domain import Image, PaintedImage, Progress
from pasta_core.errors import StorageError
from pasta_core.events import Event, ImagePreview, ImageReady, TurnReady
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder
from pasta_core.simulation.rollout import Plan, rollout
from pasta_core.simulation.saving import AT_ONCE, SavingAhead
from pasta_tui.session_state import SessionView, advance
from tests.support.rollouts import NoisePainter, small_services

PLAN = Plan("s", "a cat", 7, SessionSettings(turns=2, columns=2, images=3))


@dataclass
class PreviewingPainter(NoisePainter):
    """Shows a grey square, and a lighter one, before each image."""

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        async for painted in super().paint(prompts, seeds, progress):
            for grey in (100, 200):
                square = Image(painted.image.seed, np.full((4, 4, 3), grey, np.uint8))
                yield replace(painted, image=square, preview=True)
            yield painted


def played(painter: NoisePainter) -> tuple[object, list[Event], MemoryRecorder]:
    events: list[Event] = []
    recorder = MemoryRecorder()
    services = replace(small_services(), painter=painter)
    return asyncio.run(rollout(PLAN, services, recorder, events.append)), events, recorder


def hashes(recorder: MemoryRecorder) -> list[str]:
    return [image.sha256 for turn in recorder.turns for _, image in sorted(turn.images.items())]


def test_previews_are_told_and_never_kept() -> None:
    _, events, recorder = played(PreviewingPainter())
    _, plain, kept = played(NoisePainter())
    assert hashes(recorder) == hashes(kept) and len(hashes(kept)) == 3 + 2 * 6
    previews = [event for event in events if isinstance(event, ImagePreview)]
    assert len(previews) == 2 * len(hashes(kept))
    assert {int(event.pixels.max()) for event in previews} == {100, 200}
    without = [type(event) for event in events if not isinstance(event, ImagePreview)]
    assert without == [type(event) for event in plain]


def test_a_preview_stands_where_its_image_will_be() -> None:
    _, events, _ = played(PreviewingPainter())
    view = SessionView("a cat", PLAN.settings)
    seen = set()
    for event in events:
        view = advance(view, event)
        if isinstance(event, ImagePreview | ImageReady):
            column = view.columns[event.column]
            pixels = column.pixels(event.index)
            assert pixels is not None and view.shown == event.turn
            expected = event.pixels if isinstance(event, ImagePreview) else event.image.pixels
            assert pixels is expected
            seen.add((event.turn, event.column, event.index))
            assert view.painted == sum(image is not None for it in view.columns for image in it.images)
        if isinstance(event, TurnReady):
            assert not any(column.previews for column in view.columns)
    assert len(seen) == 3 + 2 * 6


class Disk:
    """Takes longer for the images that come first, and counts how many it writes at a time."""

    def __init__(self, fails: int | None = None) -> None:
        self.fails = fails
        self.writing = 0
        self.most = 0
        self.durable: list[int] = []
        self.told: list[tuple[int, str]] = []

    async def save(self, number: int) -> Path:
        self.writing += 1
        self.most = max(self.most, self.writing)
        for _ in range(20 - 3 * (number % 4)):
            await asyncio.sleep(0)
        self.writing -= 1
        if number == self.fails:
            raise StorageError("no space left")
        self.durable.append(number)
        return Path(str(number))

    async def take(self, saving: SavingAhead, number: int) -> None:
        def tell(path: Path | None) -> None:
            assert number in self.durable, "what is told is durable"
            self.told.append((number, str(path)))

        await saving.take(lambda: self.save(number), tell)


def test_images_are_saved_side_by_side_and_told_in_order() -> None:
    disk = Disk()

    async def run() -> None:
        async with SavingAhead() as saving:
            await disk.take(saving, 0)
            assert disk.durable == []
            for number in range(1, 11):
                await disk.take(saving, number)

    asyncio.run(run())
    assert disk.most == AT_ONCE
    assert disk.durable != sorted(disk.durable)
    assert disk.told == [(number, str(number)) for number in range(11)]


def test_what_was_taken_is_kept_however_the_painting_ends() -> None:
    disk = Disk()

    async def run() -> None:
        async with SavingAhead() as saving:
            for number in range(3):
                await disk.take(saving, number)
            raise ValueError("the painter died")

    with pytest.raises(ValueError, match="died"):
        asyncio.run(run())
    assert [number for number, _ in disk.told] == [0, 1, 2]


def test_what_was_taken_is_kept_when_the_work_is_cancelled() -> None:
    disk = Disk()

    async def run() -> None:
        async def work() -> None:
            async with SavingAhead() as saving:
                for number in range(3):
                    await disk.take(saving, number)
                await asyncio.sleep(3600)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert [number for number, _ in disk.told] == [0, 1, 2]


@pytest.mark.parametrize("images", [3, 12])
def test_a_disk_that_refuses_ends_the_painting(images: int) -> None:
    disk = Disk(fails=1)
    taken = []

    async def run() -> None:
        async with SavingAhead() as saving:
            for number in range(images):
                await disk.take(saving, number)
                taken.append(number)

    with pytest.raises(StorageError, match="no space left"):
        asyncio.run(run())
    # nothing behind it is told: what is taken up again begins where the telling ended
    assert [number for number, _ in disk.told] == [0]
    assert len(taken) < 12
