"""Slates that are refused or changed: what is asked and told, and that any prefix ends the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.budget import word_budget
from pasta_core.domain import Answer, Choice, History, NoneOfThese, Slate, Swap
from pasta_core.errors import InvalidInput
from pasta_core.events import Chosen, Event, ImageReady, Refused, SlateChosen, Swapped, TurnReady
from pasta_core.seeds import derive_seed
from pasta_core.simulation.recorder import MemoryRecorder, TurnState
from pasta_core.simulation.rollout import Plan, Services, rollout
from tests.support.proposals import SETTINGS, Scripted, fussy, hashes, identity, steps
from tests.support.rollouts import NoisePainter, WordWriter, small_services

PLAN = Plan("s", "a red train in the snow", 11, SETTINGS)


def run(
    services: Services, recorder: MemoryRecorder | None = None, plan: Plan = PLAN
) -> tuple[History, list[Event], MemoryRecorder]:
    recorder = recorder or MemoryRecorder()
    events: list[Event] = []
    return asyncio.run(rollout(plan, services, recorder, events.append)), events, recorder


def one_turn(*answers: Answer) -> tuple[History, list[Event], Scripted, NoisePainter, WordWriter]:
    user, painter, writer = Scripted(*answers), NoisePainter(), WordWriter()
    services = replace(small_services(), user=user, painter=painter, writer=writer)
    plan = replace(PLAN, settings=replace(SETTINGS, turns=1))
    history, events, _ = run(services, plan=plan)
    return history, events, user, painter, writer


def test_a_refused_turn_is_proposed_again_with_seeds_of_its_own() -> None:
    history, events, user, _, writer = one_turn(NoneOfThese("warmer"), NoneOfThese(), Choice(1))
    assert [turn.number for turn in history.turns] == [1]
    first, second = (refusal.turn for refusal in history.refusals)
    assert [refusal.critique for refusal in history.refusals] == ["warmer", ""]
    last = history.turns[0]
    assert first.choice is None
    prompts = [{it.prompt for it in turn.candidates} for turn in (first, second, last)]
    assert not prompts[0] & prompts[1] and not prompts[1] & prompts[2] and not prompts[0] & prompts[2]
    budget = word_budget(6, 1, 1, 62)
    assert writer.asked == [
        (budget, derive_seed(11, "turn", 1, "write")),
        (budget, derive_seed(11, "turn", 1, "write", 1)),
        (budget, derive_seed(11, "turn", 1, "write", 2)),
    ]
    seeds = [image.seed for turn in (first, second, last) for column in turn.columns for image in column]
    assert len(set(seeds)) == len(seeds) == 18
    assert [(e.turn, e.proposal, e.critique) for e in events if isinstance(e, Refused)] == [
        (1, 0, "warmer"),
        (1, 1, ""),
    ]
    assert [e.proposal for e in events if isinstance(e, TurnReady) and e.turn] == [0, 1, 2]
    assert [len(history.refusals) for history, _ in user.seen] == [0, 1, 2]


def test_the_writers_history_knows_no_refusals() -> None:
    history, _, _, _, _ = one_turn(NoneOfThese(), Choice(0))
    assert len(history.turns) == len(history.path) == 1
    assert history.current_prompt == history.path[0]


def unshown(slate: Slate) -> Iterable[int]:
    return (candidate for candidate in range(25) if candidate not in slate.indices)


def drawn_slate() -> Slate:
    """The slate that the first proposal of turn 1 shows."""
    history, *_ = one_turn(Choice(0))
    return history.turns[0].slate


def test_a_swap_paints_one_column_and_leaves_the_others() -> None:
    before, *_ = one_turn(Choice(2))
    wished = next(iter(unshown(drawn_slate())))
    history, events, user, painter, _ = one_turn(Swap(1, wished), Choice(2))
    (_, first), (_, second) = user.seen
    assert hashes(first) == hashes(before.turns[0])
    assert second.slate.indices == (first.slate.indices[0], wished, first.slate.indices[2])
    assert hashes(second)[0] == hashes(first)[0] and hashes(second)[2] == hashes(first)[2]
    assert not set(hashes(second)[1]) & {it for column in hashes(first) for it in column}
    assert [image.seed for image in second.columns[1]] == [
        derive_seed(11, "turn", 1, "candidate", wished, index) for index in (0, 1)
    ]
    assert [len(row) for _, rows in painter.asked for row in rows] == [2, 2, 2, 2, 2]
    assert history.turns[0].slate == second.slate and history.turns[0].choice == Choice(2)
    told = [type(e) for e in events if isinstance(e, SlateChosen | Swapped | TurnReady | Chosen)]
    assert told == [TurnReady, SlateChosen, TurnReady, Swapped, TurnReady, Chosen]


def test_what_is_swapped_back_shows_the_images_that_it_had() -> None:
    slate = drawn_slate()
    wished, other = list(unshown(slate))[:2]
    _, _, user, painter, _ = one_turn(
        Swap(1, wished), Swap(1, slate.indices[1]), Swap(0, wished), Swap(2, other), Choice(0)
    )
    turns = [turn for _, turn in user.seen]
    assert hashes(turns[2]) == hashes(turns[0])
    assert hashes(turns[3])[0] == hashes(turns[1])[1]
    assert len(painter.asked) == 4, "turn 0, the slate, and two candidates"


def test_a_swapped_slate_has_the_value_of_what_it_shows() -> None:
    assert Slate((3, 8), (0.3, 0.8)).swapped(Swap(0, 5)) == Slate((5, 8), None)
    known = tuple(range(10))
    assert Slate((3, 8), (3, 8), known).swapped(Swap(1, 5)) == Slate((3, 5), (3, 5), known)


@pytest.mark.parametrize("answer", [Swap(3, 0), Swap(-1, 0), Swap(0, 25), Swap(0, -1)])
def test_a_swap_of_what_is_not_there_is_refused(answer: Swap) -> None:
    with pytest.raises(InvalidInput):
        one_turn(answer)


def test_what_is_shown_already_is_not_swapped_in() -> None:
    shown = drawn_slate().indices[2]
    with pytest.raises(InvalidInput, match="shown already, as column 3"):
        one_turn(Swap(0, shown))


def parts(turn: TurnState) -> list[TurnState]:
    """What a killed run may have left of a turn: whole proposals, then part of one."""
    found: list[TurnState] = []
    for done, proposal in enumerate(turn.proposals):
        refused = turn.refused[:done]
        bare = replace(proposal, images={}, swaps=(), refusal=None, choice=None, refused=refused)
        if turn.number:
            found += [TurnState(turn.number, refused=refused), replace(bare, slate=None), bare]
        images = sorted(proposal.images.items())
        swapped = [bare, *(replace(bare, swaps=proposal.swaps[: n + 1]) for n in range(len(proposal.swaps)))]
        for part in swapped:
            wished = {swap.candidate for swap in proposal.swaps} - {swap.candidate for swap in part.swaps}
            there = [item for item in images if item[0][0] not in wished]
            found += [replace(part, images=dict(there[:count])) for count in range(1, len(there) + 1)]
    return found


def kept_of(state: TurnState) -> object:
    """All of a turn's record, with images by their hash."""
    images = {painting: image.sha256 for painting, image in state.images.items()}
    return replace(state, images=images, refused=()), [kept_of(it) for it in state.refused]  # type: ignore[arg-type]


_WHOLE, _TOLD, _RECORD = run(fussy())


def prefix(whole: int, part: int, robber: random.Random) -> list[TurnState]:
    """A prefix of a fussy rollout that has lost images anywhere in it, in refused slates too."""
    states = list(_RECORD.turns[:whole])
    if whole < len(_RECORD.turns):
        found = parts(_RECORD.turns[whole])
        states.append(found[part % len(found)])

    def robbed(state: TurnState) -> TurnState:
        there = sorted(state.images)
        lost = robber.sample(there, min(robber.randrange(3), len(there)))
        kept = {painting: image for painting, image in state.images.items() if painting not in lost}
        return replace(state, images=kept, refused=tuple(robbed(it) for it in state.refused))

    return [robbed(state) for state in states]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 200), st.integers(0, 2**16))
def test_any_prefix_leads_to_the_same_end(whole: int, part: int, seed: int) -> None:
    states = prefix(whole, part, random.Random(seed))
    painter = NoisePainter()
    history, events, recorder = run(replace(fussy(), painter=painter), MemoryRecorder(states))
    assert identity(history) == identity(_WHOLE)
    assert list(map(kept_of, recorder.turns)) == list(map(kept_of, _RECORD.turns))
    proposals = [it for state in states for it in state.proposals]
    kept = sum(len(it.images) for it in proposals)
    assert sum(len(row) for _, seeds in painter.asked for row in seeds) == 2 + 6 * 6 + 4 * 2 - kept
    assert steps(events) == steps(_TOLD)
    answers = [it for proposal in proposals for it in proposal.answers]
    again = [e for e in events if isinstance(e, Swapped | Refused | Chosen) and e.replayed]
    assert len(again) == len(answers)


def test_a_finished_rollout_only_tells_its_events_again() -> None:
    _, first, recorder = run(fussy())
    painter, user = NoisePainter(), Scripted()
    _, again, _ = run(replace(small_services(), painter=painter, user=user), recorder)
    assert not painter.asked and not user.seen
    assert steps(again) == steps(first)
    kinds = (SlateChosen, ImageReady, TurnReady, Swapped, Refused, Chosen)
    assert all(e.replayed for e in again if isinstance(e, kinds))
