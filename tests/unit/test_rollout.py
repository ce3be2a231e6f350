"""The loop of §2.2: what it asks, what it keeps, what it tells, and that any prefix leads to the same end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.budget import word_budget
from pasta_core.domain import Choice, History, PaintedImage, Progress, Turn
from pasta_core.errors import InvalidInput, PastaError, StorageError, WorkerError
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Failed,
    Finished,
    ImageReady,
    Note,
    SlateChosen,
    TurnReady,
    WritingStarted,
)
from pasta_core.seeds import derive_seed
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder, TurnState
from pasta_core.simulation.rollout import REDOS, Plan, Services, rollout
from tests.support.rollouts import BrightnessUser, NoisePainter, WordWriter, small_services

PLAN = Plan("s", "a red train in the snow", 11, SessionSettings(turns=3, columns=3, images=2))


def run(
    recorder: MemoryRecorder | None = None, services: Services | None = None, plan: Plan = PLAN
) -> tuple[History, list[Event], MemoryRecorder]:
    recorder = recorder or MemoryRecorder()
    events: list[Event] = []
    history = asyncio.run(rollout(plan, services or small_services(), recorder, events.append))
    return history, events, recorder


def identity(history: History) -> object:
    """All of a history, with images by their hash."""
    columns = [[[image.sha256 for image in column] for column in turn.columns] for turn in history.turns]
    rest = [(turn.number, turn.candidates, turn.slate, turn.choice) for turn in history.turns]
    return history.initial_prompt, [image.sha256 for image in history.initial_images], rest, columns


def live(events: Sequence[Event]) -> list[type[Event]]:
    return [type(event) for event in events if not event.replayed]


def test_one_rollout_has_every_step_in_order() -> None:
    history, events, recorder = run()
    assert [turn.number for turn in history.turns] == [1, 2, 3]
    assert len(history.initial_images) == 2
    assert all(len(turn.columns) == 3 and all(len(c) == 2 for c in turn.columns) for turn in history.turns)
    steps = [
        e for e in events if isinstance(e, CandidatesReady | SlateChosen | TurnReady | Chosen | Finished)
    ]
    a_turn = [CandidatesReady, SlateChosen, TurnReady, Chosen]
    assert [type(e) for e in steps] == [TurnReady, *a_turn * 3, Finished]
    final = steps[-1]
    assert isinstance(final, Finished)
    last = history.turns[-1]
    assert last.choice is not None and last.chosen is not None
    assert final.images == last.columns[last.choice.column]
    assert final.prompt == last.chosen.prompt == history.current_prompt
    assert recorder.finished


def test_turn_0_shows_the_initial_prompt() -> None:
    _, events, _ = run()
    first = next(e for e in events if isinstance(e, TurnReady))
    assert first.turn == 0
    assert [first.candidates[i].prompt for i in first.slate.indices] == [PLAN.prompt]
    assert [len(column) for column in first.columns] == [2]


def test_every_draw_has_the_seed_of_its_purpose() -> None:
    services = small_services()
    history, _, _ = run(services=services)
    assert isinstance(services.writer, WordWriter)
    assert services.writer.asked == [
        (word_budget(6, t, 3, 62), derive_seed(11, "turn", t, "write")) for t in (1, 2, 3)
    ]
    for turn in history.turns:
        for column, images in enumerate(turn.columns):
            for index, image in enumerate(images):
                assert image.seed == derive_seed(11, "turn", turn.number, "image", column, index)
    seeds = [image.seed for turn in history.turns for column in turn.columns for image in column]
    assert len(set(seeds)) == len(seeds) == 18


def test_the_writer_is_told_its_budget() -> None:
    _, events, _ = run()
    budgets = [e.max_words for e in events if isinstance(e, WritingStarted)]
    assert budgets == [word_budget(6, turn, 3, 62) for turn in (1, 2, 3)]


@given(
    words=st.integers(1, 62),
    turns=st.integers(1, 50),
    max_words=st.integers(62, 200),
    turn=st.integers(1, 50),
)
def test_the_budget_grows_from_the_prompt_to_its_limit(
    words: int, turns: int, max_words: int, turn: int
) -> None:
    budgets = [word_budget(words, t, turns, max_words) for t in range(turns + 1)]
    assert budgets[0] == words
    assert budgets == sorted(budgets)
    assert budgets[-1] <= max_words
    if turns == 1:
        assert budgets[-1] == max_words


def test_the_budget_of_five_turns_by_hand() -> None:
    # 10 -> 20.4 -> 28.72 -> 35.376 -> 40.7008 -> 44.96064
    assert [word_budget(10, turn, 5, 62) for turn in range(1, 6)] == [20, 28, 35, 40, 44]


@st.composite
def prefixes(draw: st.DrawFn) -> list[TurnState]:
    """What a killed run may have left: whole turns, then part of one; and now and then a lost image."""
    _, _, recorder = run()
    whole = draw(st.integers(0, 4))
    states = list(recorder.turns[:whole])
    if whole < 4:
        states += draw(st.sampled_from(parts_of(recorder.turns[whole])))
    for index, state in enumerate(states):
        lost = draw(st.sets(st.sampled_from(sorted(state.images)), max_size=2)) if state.images else set()
        kept = {place: image for place, image in state.images.items() if place not in lost}
        states[index] = replace(state, images=MappingProxyType(kept))
    return states


def parts_of(turn: TurnState) -> list[list[TurnState]]:
    written = replace(turn, slate=None, images={}, choice=None)
    chosen = replace(written, slate=turn.slate)
    images = sorted(turn.images.items())
    painted = [replace(chosen, images=dict(images[:count])) for count in range(1, len(images) + 1)]
    return [[]] + [[part] for part in ([written, chosen, *painted] if turn.number else painted)]


@settings(max_examples=40)
@given(prefixes())
def test_any_prefix_leads_to_the_same_end(states: list[TurnState]) -> None:
    whole, _, _ = run()
    painter = NoisePainter()
    history, events, recorder = run(MemoryRecorder(states), replace(small_services(), painter=painter))
    assert identity(history) == identity(whole)
    assert recorder.finished
    kept = sum(len(state.images) for state in states)
    assert sum(len(row) for _, seeds in painter.asked for row in seeds) == 2 + 3 * 3 * 2 - kept
    assert len([e for e in events if isinstance(e, ImageReady) and e.replayed]) == kept
    told = [e for e in events if isinstance(e, Chosen) and e.replayed]
    assert len(told) == sum(state.choice is not None for state in states)


def test_a_finished_rollout_only_tells_its_events_again() -> None:
    _, first, recorder = run()
    _, again, _ = run(recorder)
    assert live(again) == [Finished]
    kinds = (CandidatesReady, SlateChosen, ImageReady, TurnReady, Chosen)
    assert [type(e) for e in again if isinstance(e, kinds)] == [
        type(e) for e in first if isinstance(e, kinds)
    ]


@dataclass
class Unsteady:
    """Fails the given number of times before each step, or in the middle of a painting."""

    failures: int
    error: PastaError = field(default_factory=lambda: WorkerError("the worker died"))
    calls: int = 0

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        self.calls += 1
        async for painted in NoisePainter().paint(prompts, seeds, progress):
            yield painted
            if self.calls <= self.failures:
                raise self.error

    async def choose(self, history: History, turn: Turn) -> Choice:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return await BrightnessUser().choose(history, turn)


def test_a_retryable_error_redoes_the_step_with_a_note() -> None:
    whole, _, _ = run()
    painter = Unsteady(failures=REDOS)
    plan = replace(PLAN, settings=replace(PLAN.settings, images=5))
    whole, _, _ = run(plan=plan)
    history, events, _ = run(services=replace(small_services(), painter=painter), plan=plan)
    assert identity(history) == identity(whole)
    notes = [e.text for e in events if isinstance(e, Note)]
    assert notes == ["the worker died: painting again"] * REDOS
    painted = [(e.turn, e.column, e.index) for e in events if isinstance(e, ImageReady)]
    assert len(painted) == len(set(painted)), "what a failed attempt has painted is kept, not painted again"


def test_a_step_that_keeps_failing_ends_the_rollout() -> None:
    user, recorder = Unsteady(failures=100), MemoryRecorder()
    events: list[Event] = []
    with pytest.raises(WorkerError):
        asyncio.run(rollout(PLAN, replace(small_services(), user=user), recorder, events.append))
    assert user.calls == 1 + REDOS
    assert events[-1] == Failed("the worker died", retryable=True)
    whole, _, _ = run()
    resumed, _, _ = run(recorder)
    assert identity(resumed) == identity(whole)


def test_an_error_that_is_not_retryable_ends_it_at_once() -> None:
    user = Unsteady(failures=1, error=StorageError("full", "free some space"))
    events: list[Event] = []
    with pytest.raises(StorageError):
        asyncio.run(rollout(PLAN, replace(small_services(), user=user), MemoryRecorder(), events.append))
    assert user.calls == 1
    assert events[-1] == Failed("full", "free some space")


class Forgetful:
    """Paints all but the last image."""

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        fewer = [*seeds[:-1], seeds[-1][:-1]]
        async for painted in NoisePainter().paint(prompts, fewer, progress):
            yield painted


def test_missing_images_are_asked_for_again_and_never_passed_over() -> None:
    events: list[Event] = []
    services = replace(small_services(), painter=Forgetful())
    with pytest.raises(WorkerError, match="left out 1 of 1"):
        asyncio.run(rollout(PLAN, services, MemoryRecorder(), events.append))
    assert not any(isinstance(e, TurnReady) for e in events)


class Overshooting:
    async def choose(self, history: History, turn: Turn) -> Choice:
        return Choice(3)


def test_a_column_that_is_not_shown_cannot_be_chosen() -> None:
    recorder = MemoryRecorder()
    with pytest.raises(InvalidInput, match="column 4 was chosen, but 3 are shown"):
        run(recorder, replace(small_services(), user=Overshooting()))
    assert recorder.turns[-1].choice is None


@settings(max_examples=30)
@given(steps=st.integers(1, 60))
def test_a_cancelled_rollout_keeps_what_is_finished(steps: int) -> None:
    """What was told before the cancellation is in the record, and a resume goes on from it."""
    recorder, events = MemoryRecorder(), list[Event]()

    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None

        def emit(event: Event) -> None:
            events.append(event)
            if len(events) == steps:
                task.cancel()

        # an await point, as each step of a real service has
        services = replace(small_services(), user=Patient())
        await rollout(PLAN, services, recorder, emit)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    kept = {state.number: state for state in recorder.turns}
    for event in events:
        if isinstance(event, ImageReady):
            state = kept[event.turn]
            candidate = 0 if state.slate is None else state.slate.indices[event.column]
            assert state.images[candidate, event.index] is event.image
        elif isinstance(event, Chosen):
            assert kept[event.turn].choice == event.choice
        elif isinstance(event, CandidatesReady):
            assert kept[event.turn].candidates == event.candidates
    whole, _, _ = run()
    resumed, _, _ = run(recorder)
    assert identity(resumed) == identity(whole)


class Patient(BrightnessUser):
    """Thinks before it chooses."""

    async def choose(self, history: History, turn: Turn) -> Choice:
        await asyncio.sleep(0)
        return await super().choose(history, turn)
