"""How many images are painted at a time: tried out, remembered, and halved once where memory runs out."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pasta_core.errors import ModelUnavailable
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.painter.loading import load_pipeline
from pasta_core.painter.room import Ledger, OutOfRoom, Room, within_memory
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import PainterProfile

PROMPTS, SEEDS = ["a red train", "a cat"], [[1, 2, 3], [4, 5, 6]]


class Card:
    """A device whose UNet takes only so many rows: more raise what torch raises."""

    def __init__(self, pipe: Any, rows: int) -> None:
        self.rows = rows
        self.passes: list[int] = []
        self._hook = pipe.unet.register_forward_pre_hook(self._check)

    def _check(self, unet: Any, inputs: tuple[Any, ...]) -> None:
        self.passes.append(len(inputs[0]))
        if len(inputs[0]) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def take_away(self) -> None:
        self._hook.remove()


@pytest.fixture(scope="module")
def profile() -> PainterProfile:
    return replace(load_profile("micro", locate({})).painter, steps=3, guidance=2.0, pass_size=8)


@pytest.fixture(scope="module")
def pipe(profile: PainterProfile) -> Any:
    return load_pipeline(profile, "cpu")


@pytest.fixture
def card(pipe: Any) -> Any:
    card = Card(pipe, rows=99)
    yield card
    card.take_away()


def ledger(tmp_path: Path, free: int = 100, key: str = "a card") -> Ledger:
    return Ledger(tmp_path / "cache" / "memory.json", key, lambda: free)


def painted(painter: DiffusersPainter, **options: Any) -> dict[tuple[int, int], Any]:
    batches = painter.paint(PROMPTS, SEEDS, **options)
    return {(column, index): pixels for batch in batches for column, index, pixels in batch}


def test_the_largest_pass_that_fits_is_tried_out_once(
    pipe: Any, profile: PainterProfile, card: Card, tmp_path: Path
) -> None:
    card.rows = 5
    notes: list[str] = []
    painter = DiffusersPainter(pipe, profile, "cpu", room=Room(8, ledger(tmp_path)))
    images = painted(painter, note=notes.append)
    # guided, so a pass of two images has four rows
    assert card.passes == [16, 8, 4] + [4] * 3 * 3
    assert len(images) == 6 and painter.pass_size == 2
    assert notes == ["memory holds 2 images at a time, not 8"]
    card.passes.clear()
    again = DiffusersPainter(pipe, profile, "cpu", room=Room(8, ledger(tmp_path)))
    for place, pixels in painted(again).items():
        assert np.array_equal(pixels, images[place])
    assert card.passes == [4] * 3 * 3


def test_memory_that_runs_out_halves_the_pass_once(
    pipe: Any, profile: PainterProfile, card: Card, tmp_path: Path
) -> None:
    painter = DiffusersPainter(pipe, profile, "cpu", room=Room(4, ledger(tmp_path)))
    painter.settle()
    before = painted(painter)
    card.rows = 4
    notes: list[str] = []
    steps: list[tuple[int, int]] = []
    after = painted(painter, note=notes.append, progress=lambda *step: steps.append(step))
    assert len(after) == 6 and painter.pass_size == 2
    assert len(notes) == 1 and notes[0].startswith(
        "memory ran out: from now on 2 images are painted at a time"
    )
    assert steps == [(done, 9) for done in range(1, 10)]
    for place, pixels in after.items():
        # another shape rounds differently: to the eye it is the same image
        assert np.abs(pixels.astype(int) - before[place].astype(int)).max() <= 2
    assert ledger(tmp_path).find(4) == 2


def test_images_that_were_finished_before_memory_ran_out_stay(
    pipe: Any, profile: PainterProfile, card: Card
) -> None:
    painter = DiffusersPainter(pipe, replace(profile, pass_size=4), "cpu")
    painting = painter.paint(PROMPTS, SEEDS)
    first = next(painting)
    card.rows = 4
    rest = [place for batch in painting for place in batch]
    assert [place[:2] for place in first] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert sorted(place[:2] for place in [*first, *rest]) == [(c, i) for c in range(2) for i in range(3)]


def test_a_pass_that_is_to_be_exact_never_shrinks(pipe: Any, profile: PainterProfile, card: Card) -> None:
    painter = DiffusersPainter(pipe, profile, "cpu", room=Room(4, exact=True))
    card.rows = 4
    with pytest.raises(ModelUnavailable, match="for 4 images of 64 pixels at a time") as caught:
        painted(painter)
    assert card.passes == [8] and painter.pass_size == 4
    assert "--pass-size" in caught.value.hint and "pass_size in the profile" in caught.value.hint


@pytest.mark.parametrize("rows", [3, 1])
def test_memory_that_runs_out_twice_is_said(
    pipe: Any, profile: PainterProfile, card: Card, rows: int
) -> None:
    painter = DiffusersPainter(pipe, replace(profile, pass_size=4), "cpu")
    card.rows = rows
    with pytest.raises(ModelUnavailable, match="not enough memory on the device for 2 images of 64 pixels"):
        painted(painter)
    assert card.passes == [8, 4]


def test_a_device_that_holds_not_even_one_image_is_named(
    pipe: Any, profile: PainterProfile, card: Card, tmp_path: Path
) -> None:
    card.rows = 0
    painter = DiffusersPainter(pipe, profile, "cpu", room=Room(8, ledger(tmp_path)))
    with pytest.raises(ModelUnavailable, match="for one image of 64 pixels") as caught:
        painted(painter)
    assert caught.value.exit_code == 3 and caught.value.hint


def test_other_errors_are_no_lack_of_memory() -> None:
    def lacks() -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    def differs() -> None:
        raise RuntimeError("shapes do not match")

    def fails() -> None:
        # a kernel's own error, `torch.AcceleratorError`, is a RuntimeError and no more
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")

    for what in (lacks, fails):
        with pytest.raises(OutOfRoom):
            within_memory(what)
    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(differs)


def test_what_did_not_fit_is_let_go_of_before_the_next_attempt() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def work() -> None:
        large = torch.zeros(4)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfRoom) as caught:
        within_memory(work)
    assert caught.value.__context__ is None and held[0]() is None


def test_what_is_remembered_is_for_one_painter_on_one_device(tmp_path: Path) -> None:
    here = ledger(tmp_path)
    here.keep(4, tried=16)
    assert [here.find(wanted) for wanted in (2, 4, 8, 16, 32)] == [2, 4, 4, 4, None]
    assert ledger(tmp_path, key="another card").find(2) is None
    ledger(tmp_path, key="another card").keep(1, tried=1)
    assert ledger(tmp_path).find(16) == 4
    # half as much memory again is free: what did not fit may fit now
    assert ledger(tmp_path, free=150).find(16) is None


@pytest.mark.parametrize("damage", ["{", "[]", '{"a card": {"fits": "many"}}', '{"a card": 4}', "\ud800"])
def test_a_damaged_file_is_a_file_that_is_not_there(tmp_path: Path, damage: str) -> None:
    here = ledger(tmp_path)
    here.file.parent.mkdir()
    here.file.write_bytes(damage.encode("utf-8", "surrogatepass"))
    assert here.find(4) is None
    here.keep(2, tried=4)
    assert here.find(4) == 2


def test_a_disk_that_refuses_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    here = ledger(tmp_path)
    here.keep(2, tried=4)
    assert here.find(4) is None
