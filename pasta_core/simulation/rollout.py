"""The one loop of §2.2: history -> candidates -> slate -> images -> choice -> history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from pasta_core.agent.budget import word_budget
from pasta_core.domain import (
    Answer,
    Candidate,
    Choice,
    History,
    Image,
    NoneOfThese,
    Painter,
    Refusal,
    Selector,
    Slate,
    Swap,
    Turn,
    User,
    Writer,
)
from pasta_core.errors import Cancelled, PastaError, WorkerError
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Failed,
    Finished,
    ImagePreview,
    ImageReady,
    Note,
    PaintingProgress,
    Refused,
    SlateChosen,
    Swapped,
    TurnReady,
    WritingProgress,
    WritingStarted,
)
from pasta_core.seeds import derive_seed
from pasta_core.settings import SessionSettings
from pasta_core.simulation.proposal import Paths, Proposal
from pasta_core.simulation.recorder import Recorder, Spot, TurnState
from pasta_core.simulation.saving import SavingAhead
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

    def seed_of(self, turn: int, *purpose: str | int, proposal: int = 0) -> int:
        """The seed of one draw of a turn; one that is proposed again draws anew."""
        again = (proposal,) if proposal else ()
        return derive_seed(self.seed, "turn", turn, *purpose, *again)


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
        initial = Turn(0, (Candidate(self._plan.prompt, INITIAL_CATEGORY),), Slate((0,)))
        turn, paths = await self._painted(Proposal(initial, states.get(0, TurnState(0))), replayed=True)
        history = History(self._plan.prompt, turn.columns[0])
        for number in range(1, self._plan.settings.turns + 1):
            history, paths = await self._turn(history, states.get(number, TurnState(number)))
        await self._recorder.finish()
        turn = history.turns[-1]
        column = 0 if turn.choice is None else turn.choice.column
        self._emit(Finished(self._plan.session, history.current_prompt, turn.columns[column], paths[column]))
        return history

    async def _turn(self, history: History, state: TurnState) -> tuple[History, Paths]:
        """Propose slates until one is chosen from: those that the record holds, and then new ones."""
        recorded = iter(state.proposals)
        for number in count():
            proposed = next(recorded, TurnState(state.number))
            candidates = await self._candidates(history, proposed, number)
            slate = await self._slate(history, proposed, number, candidates)
            turn, paths, end = await self._answered(
                history, Proposal(Turn(state.number, candidates, slate), proposed, number)
            )
            if isinstance(end, Choice):
                return history.extended(replace(turn, choice=end)), paths
            history = history.refusing(Refusal(turn, end.critique))
        raise AssertionError("unreachable")

    async def _candidates(self, history: History, state: TurnState, proposal: int) -> tuple[Candidate, ...]:
        if state.candidates:
            self._emit(CandidatesReady(state.number, state.candidates, proposal, replayed=True))
            return state.candidates
        number, settings = state.number, self._plan.settings
        budget = word_budget(self._initial_words, number, settings.turns, settings.max_words)
        seed = self._plan.seed_of(number, "write", proposal=proposal)
        form = self._services.selector.form(settings.columns)

        def progress(done: int, total: int) -> None:
            self._emit(WritingProgress(number, done, total))

        self._emit(WritingStarted(number, budget))
        candidates = await self._redone(
            "writing", lambda: self._services.writer.write(history, form, budget, seed, progress)
        )
        await self._recorder.save_candidates(number, candidates, budget, seed)
        self._emit(CandidatesReady(number, candidates, proposal))
        return candidates

    async def _slate(
        self, history: History, state: TurnState, proposal: int, candidates: tuple[Candidate, ...]
    ) -> Slate:
        if state.slate is not None:
            self._emit(SlateChosen(state.number, state.slate, proposal, replayed=True))
            return state.slate
        seed = self._plan.seed_of(state.number, "select", proposal=proposal)
        columns = self._plan.settings.columns
        slate = await self._redone(
            "choosing what to show",
            lambda: self._services.selector.select(history, candidates, columns, seed),
        )
        await self._recorder.save_slate(state.number, slate, seed)
        self._emit(SlateChosen(state.number, slate, proposal))
        return slate

    async def _answered(
        self, history: History, proposal: Proposal
    ) -> tuple[Turn, Paths, Choice | NoneOfThese]:
        """Paint a proposal and ask about it; swaps are painted and asked about again."""
        recorded = iter(proposal.state.answers)
        replayed = True
        while True:
            turn, paths = await self._painted(proposal, replayed)
            answer: Answer | None = next(recorded, None)
            replayed = answer is not None
            if answer is None:
                answer = await self._asked(history, turn, proposal)
            self._tell(proposal, answer, replayed)
            if not isinstance(answer, Swap):
                return turn, paths, answer
            proposal.swap(answer)

    async def _asked(self, history: History, turn: Turn, proposal: Proposal) -> Answer:
        """What the user says to a painted slate, once it is durable."""
        answer = await self._redone("asking", lambda: self._services.user.choose(history, turn))
        proposal.check(answer)
        match answer:
            case Choice():
                await self._recorder.save_choice(turn.number, answer)
            case NoneOfThese():
                await self._recorder.save_refusal(turn.number, answer)
            case Swap():
                await self._recorder.save_swap(turn.number, answer)
        return answer

    def _tell(self, proposal: Proposal, answer: Answer, replayed: bool) -> None:
        turn = proposal.turn
        match answer:
            case Choice():
                self._emit(Chosen(turn.number, answer, replayed=replayed))
            case NoneOfThese():
                self._emit(Refused(turn.number, proposal.number, answer.critique, replayed=replayed))
            case Swap():
                self._emit(Swapped(turn.number, answer, turn.slate.swapped(answer), replayed=replayed))

    async def _painted(self, proposal: Proposal, replayed: bool) -> tuple[Turn, Paths]:
        """The turn with all images that its slate shows: those of the record, and the missing ones painted.

        `replayed` says whether the slate itself was in the record.
        """
        images = self._plan.settings.images
        for spot in proposal.spots(images):
            if (image := proposal.untold(spot)) is not None:
                path = proposal.paths.get(spot.painting)
                self._emit(ImageReady(spot.turn, spot.column, spot.index, image, path, replayed=True))
        replayed = replayed and all(spot.painting in proposal.state.images for spot in proposal.spots(images))
        await self._redone("painting", lambda: self._paint_missing(proposal))
        turn, paths = proposal.painted(images)
        at = proposal.number
        ready = TurnReady(
            turn.number, turn.candidates, turn.slate, turn.columns, paths, at, replayed=replayed
        )
        self._emit(ready)
        return turn, paths

    async def _paint_missing(self, proposal: Proposal) -> None:
        """Paint what the slate shows and is not there yet, keeping each image as soon as it is painted."""
        missing = [s for s in proposal.spots(self._plan.settings.images) if not proposal.has(s)]
        if not missing:
            return
        number = proposal.turn.number
        columns = sorted({spot.column for spot in missing})
        wanted = [[spot for spot in missing if spot.column == column] for column in columns]
        prompts = [proposal.turn.shown[column].prompt for column in columns]
        seeds = [
            [self._plan.seed_of(number, *proposal.purpose(s), proposal=proposal.number) for s in spots]
            for spots in wanted
        ]

        def progress(done: int, total: int) -> None:
            self._emit(PaintingProgress(number, done, total))

        async with AsyncExitStack() as stack:
            saving = await stack.enter_async_context(SavingAhead())
            painting = self._services.painter.paint(prompts, seeds, progress)
            if isinstance(painting, AsyncGenerator):
                await stack.enter_async_context(aclosing(painting))
            async for painted in painting:
                spot = wanted[painted.column][painted.index]
                if painted.preview:
                    self._emit(ImagePreview(number, spot.column, spot.index, painted.image.pixels))
                else:
                    save = partial(self._recorder.save_image, spot, painted.image)
                    await saving.take(save, partial(self._saved, proposal, spot, painted.image))
        left = sum(not proposal.has(spot) for spot in missing)
        if left:
            raise WorkerError(f"the painter left out {left} of {len(missing)} images")

    def _saved(self, proposal: Proposal, spot: Spot, image: Image, path: Path | None) -> None:
        """Tell of an image that is durable."""
        proposal.add(spot, image, path)
        self._emit(ImageReady(spot.turn, spot.column, spot.index, image, path))

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
