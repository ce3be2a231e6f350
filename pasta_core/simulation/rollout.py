"""The one loop of §2.2: history -> candidates -> slate -> images -> choice -> history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pasta_core.agent.budget import word_budget
from pasta_core.domain import Candidate, Choice, History, Image, Painter, Selector, Slate, Turn, User, Writer
from pasta_core.errors import Cancelled, InvalidInput, PastaError, WorkerError
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Failed,
    Finished,
    ImageReady,
    Note,
    PaintingProgress,
    SlateChosen,
    TurnReady,
    WritingProgress,
    WritingStarted,
)
from pasta_core.seeds import derive_seed
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import Place, Recorder, TurnState
from pasta_core.text import count_words

__all__ = ["INITIAL_CATEGORY", "REDOS", "Emit", "Plan", "Services", "rollout"]

REDOS = 3
"""How often one step is done again after a retryable error."""

INITIAL_CATEGORY = "initial prompt"
"""The category under which turn 0 shows the initial prompt."""

Emit = Callable[[Event], None]
"""Takes the events of a rollout, in order, each after what it tells of is durable."""

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What a rollout is decided by, beside its services: the session's name, prompt, seed and shape."""

    session: str
    prompt: str
    seed: int
    settings: SessionSettings

    def seed_of(self, turn: int, *purpose: str | int) -> int:
        """The seed of one draw of a turn."""
        return derive_seed(self.seed, "turn", turn, *purpose)


@dataclass(frozen=True)
class Services:
    """The models and the user that a rollout runs on."""

    writer: Writer
    selector: Selector
    painter: Painter
    user: User


async def rollout(plan: Plan, services: Services, recorder: Recorder, emit: Emit) -> History:
    """Run one rollout to its end from whatever prefix of it the recorder holds, and return its history.

    Steps that are durable are taken from the record and told again with `replayed` set; the first missing one
    is done. A retryable error redoes its step, at most three times; the error that ends a rollout is told
    (`Failed`) and raised. When the coroutine is cancelled, every finished step stays in place.
    """
    try:
        return await _Rollout(plan, services, recorder, emit).run()
    except Cancelled:
        raise
    except PastaError as error:
        emit(Failed(error.message, error.hint, error.retryable))
        raise


class _Rollout:
    """One run of the loop: its plan, its services, and where steps and events go."""

    def __init__(self, plan: Plan, services: Services, recorder: Recorder, emit: Emit) -> None:
        self._plan = plan
        self._services = services
        self._recorder = recorder
        self._emit = emit
        self._initial_words = count_words(plan.prompt)

    async def run(self) -> History:
        states = {state.number: state for state in await self._recorder.load()}
        start = states.get(0, TurnState(0))
        initial = Turn(0, (Candidate(self._plan.prompt, INITIAL_CATEGORY),), Slate((0,)))
        turn, paths = await self._painted(initial, start)
        history = History(self._plan.prompt, turn.columns[0])
        for number in range(1, self._plan.settings.turns + 1):
            turn, paths = await self._turn(history, states.get(number, TurnState(number)))
            history = history.extended(turn)
        await self._recorder.finish()
        column = 0 if turn.choice is None else turn.choice.column
        self._emit(Finished(self._plan.session, history.current_prompt, turn.columns[column], paths[column]))
        return history

    async def _turn(self, history: History, state: TurnState) -> tuple[Turn, _Paths]:
        candidates = await self._candidates(history, state)
        slate = await self._slate(history, state, candidates)
        turn, paths = await self._painted(Turn(state.number, candidates, slate), state)
        return replace(turn, choice=await self._choice(history, turn, state)), paths

    async def _candidates(self, history: History, state: TurnState) -> tuple[Candidate, ...]:
        if state.candidates:
            self._emit(CandidatesReady(state.number, state.candidates, replayed=True))
            return state.candidates
        number, settings = state.number, self._plan.settings
        budget = word_budget(self._initial_words, number, settings.turns, settings.max_words)
        seed = self._plan.seed_of(number, "write")
        form = self._services.selector.form(settings.columns)

        def progress(done: int, total: int) -> None:
            self._emit(WritingProgress(number, done, total))

        self._emit(WritingStarted(number, budget))
        candidates = await self._redone(
            "writing", lambda: self._services.writer.write(history, form, budget, seed, progress)
        )
        await self._recorder.save_candidates(number, candidates, budget, seed)
        self._emit(CandidatesReady(number, candidates))
        return candidates

    async def _slate(self, history: History, state: TurnState, candidates: tuple[Candidate, ...]) -> Slate:
        if state.slate is not None:
            self._emit(SlateChosen(state.number, state.slate, replayed=True))
            return state.slate
        seed = self._plan.seed_of(state.number, "select")
        columns = self._plan.settings.columns
        slate = await self._redone(
            "choosing what to show",
            lambda: self._services.selector.select(history, candidates, columns, seed),
        )
        await self._recorder.save_slate(state.number, slate, seed)
        self._emit(SlateChosen(state.number, slate))
        return slate

    async def _painted(self, turn: Turn, state: TurnState) -> tuple[Turn, _Paths]:
        """The turn with all its images: those the record holds, and the missing ones painted."""
        images, paths = dict(state.images), dict[Place, Path | None](state.paths)
        for (column, index), image in sorted(images.items(), key=lambda item: item[0]):
            path = paths.get((column, index))
            self._emit(ImageReady(turn.number, column, index, image, path, replayed=True))
        places = self._places(turn)
        replayed = all(place in images for place in places)
        await self._redone("painting", lambda: self._paint_missing(turn, images, paths))
        columns, indices = range(len(turn.slate.indices)), range(self._plan.settings.images)
        turn = replace(turn, columns=tuple(tuple(images[c, m] for m in indices) for c in columns))
        files = tuple(tuple(paths.get((c, m)) for m in indices) for c in columns)
        ready = TurnReady(turn.number, turn.candidates, turn.slate, turn.columns, files, replayed=replayed)
        self._emit(ready)
        return turn, files

    async def _paint_missing(
        self, turn: Turn, images: dict[Place, Image], paths: dict[Place, Path | None]
    ) -> None:
        """Paint what is not in `images` yet, adding each image as soon as it is durable."""
        missing = [place for place in self._places(turn) if place not in images]
        if not missing:
            return
        columns = sorted({column for column, _ in missing})
        indices = [[index for column, index in missing if column == wanted] for wanted in columns]
        prompts = [turn.shown[column].prompt for column in columns]
        seeds = [
            [self._plan.seed_of(turn.number, "image", column, index) for index in wanted]
            for column, wanted in zip(columns, indices, strict=True)
        ]

        def progress(done: int, total: int) -> None:
            self._emit(PaintingProgress(turn.number, done, total))

        async with AsyncExitStack() as stack:
            painting = self._services.painter.paint(prompts, seeds, progress)
            if isinstance(painting, AsyncGenerator):
                await stack.enter_async_context(aclosing(painting))
            async for painted in painting:
                column, index = columns[painted.column], indices[painted.column][painted.index]
                path = await self._recorder.save_image(turn.number, column, index, painted.image)
                images[column, index], paths[column, index] = painted.image, path
                self._emit(ImageReady(turn.number, column, index, painted.image, path))
        left = sum(place not in images for place in missing)
        if left:
            raise WorkerError(f"the painter left out {left} of {len(missing)} images")

    async def _choice(self, history: History, turn: Turn, state: TurnState) -> Choice:
        if state.choice is not None:
            self._emit(Chosen(turn.number, state.choice, replayed=True))
            return state.choice
        choice = await self._redone("asking", lambda: self._services.user.choose(history, turn))
        if not 0 <= choice.column < len(turn.columns):
            raise InvalidInput(
                f"column {choice.column + 1} was chosen, but {len(turn.columns)} are shown",
                f"choose a column from 1 to {len(turn.columns)}",
            )
        await self._recorder.save_choice(turn.number, choice)
        self._emit(Chosen(turn.number, choice))
        return choice

    def _places(self, turn: Turn) -> Sequence[Place]:
        """Every image of a turn, in shown order."""
        images = range(self._plan.settings.images)
        return [(column, index) for column in range(len(turn.slate.indices)) for index in images]

    async def _redone(self, doing: str, step: Callable[[], Awaitable[T]]) -> T:
        """Run a step, and run it again after a retryable error, at most `REDOS` times."""
        for redo in range(REDOS + 1):
            try:
                return await step()
            except PastaError as error:
                if not error.retryable or redo == REDOS:
                    raise
                self._emit(Note(f"{error.message}: {doing} again"))
        raise AssertionError("unreachable")


_Paths = tuple[tuple[Path | None, ...], ...]
