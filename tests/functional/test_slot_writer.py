"""Writing for many at once with the shipped model: every text is what it would be in any other company."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.llama import LlamaModel
from pasta_core.agent.llama_slots import LlamaSlots
from pasta_core.agent.requests import ShownTurn, WriteRequest
from pasta_core.agent.slot_writer import SlotWriter
from pasta_core.domain import Candidate, CandidateForm, History
from pasta_core.errors import Cancelled, PastaError
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import WriterProfile
from pasta_core.worker.services import Worker, local_command

FORM = CandidateForm(2, 3)
Outcome = tuple[Candidate, ...] | PastaError


@pytest.fixture(scope="module")
def profile() -> WriterProfile:
    return load_profile("micro", locate({})).writer


def request(number: int) -> WriteRequest:
    shown = ShownTurn(("a red train in the snow", "a cat", "a house at night"), number % 3, "darker")
    return WriteRequest("a cat at night", (shown,) * (number % 3), FORM, 8 + number, number)


def write_all(writer: SlotWriter, numbers: list[int]) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    waiting, total = list(numbers), len(numbers)
    while len(found) < total:
        while waiting and writer.free:
            number = waiting.pop(0)

            def finished(outcome: Outcome, number: int = number) -> None:
                found[number] = outcome

            writer.begin(request(number), lambda: False, lambda done, total: None, finished)
        writer.advance()
    return found


def test_company_changes_no_text(profile: WriterProfile) -> None:
    writer = SlotWriter(profile, 3)
    together = write_all(writer, list(range(7)))
    assert all(isinstance(outcome, tuple) and len(outcome) == FORM.total for outcome in together.values())
    assert write_all(writer, [6, 5, 4, 3, 2, 1, 0]) == together
    assert {number: write_all(writer, [number])[number] for number in (2, 5)} == {
        number: together[number] for number in (2, 5)
    }
    assert writer.free == 3
    writer.close()


def test_logits_are_bit_equal_whatever_the_neighbours_hold(profile: WriterProfile) -> None:
    model = LlamaModel(profile.model, 256, 1)
    text = model.tokenize("a red train in the snow under the stars")
    found = []
    for neighbours in ([], [3], [700, 20]):
        slots = LlamaSlots(model, 4, 1024, 1)
        for slot, length in enumerate(neighbours, start=1):
            slots.read(slot, [5 + place % 900 for place in range(length)])
        slots.read(0, text)
        others = dict.fromkeys(range(1, 1 + len(neighbours)), 7)
        rows = [slots.step({0: token, **others})[0] for token in text]
        slots.rewind(0, len(text))
        rows += [slots.step({0: token})[0] for token in text]
        found.append(np.stack(rows))
        slots.close()
    assert all((rows == found[0]).all() for rows in found[1:])
    assert (found[0][: len(text)] == found[0][len(text) :]).all()
    model.close()


def test_one_that_is_stopped_or_fails_leaves_the_others_alone(profile: WriterProfile) -> None:
    writer = SlotWriter(profile, 2)
    expected = write_all(writer, [1])[1]
    found: list[Outcome] = []
    stop = False
    writer.begin(request(0), lambda: stop, lambda done, total: None, found.append)
    writer.begin(request(1), lambda: False, lambda done, total: None, found.append)
    for _ in range(5):
        writer.advance()
    stop = True
    writer.advance()
    assert len(found) == 1 and isinstance(found[0], Cancelled)
    long = WriteRequest("a cat " * 2000, (), FORM, 8, 1)
    writer.begin(long, lambda: False, lambda done, total: None, found.append)
    assert isinstance(found[1], PastaError)
    while len(found) < 3:
        writer.advance()
    assert found[2] == expected
    writer.close()


def test_a_worker_with_slots_writes_side_by_side(profile: WriterProfile, tmp_path: Path) -> None:
    def write(worker: Worker, seed: int) -> asyncio.Task[tuple[Candidate, ...]]:
        history = History("a cat at night")
        return asyncio.create_task(worker.writer.write(history, FORM, 9, seed, lambda done, total: None))

    async def main() -> None:
        worker = Worker(local_command("micro", "--slots", "3"), tmp_path / "worker.log")
        async with worker:
            together = await asyncio.gather(*(write(worker, seed) for seed in range(5)))
            assert await write(worker, 3) == together[3]
            with pytest.raises(PastaError, match="context"):
                await worker.writer.write(History("a " * 9000), FORM, 9, 0, lambda done, total: None)
            leaving = write(worker, 9)
            await asyncio.sleep(0.05)
            leaving.cancel()
            assert await write(worker, 4) == together[4]

    asyncio.run(main())
