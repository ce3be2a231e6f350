"""What picks moved in a belief: that it adds up, that no order matters, and that it is said in words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.users.belief import account_for, entropy
from pasta_core.users.belief_traits import word_traits
from pasta_core.users.taste import believe
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick, normalised
from pasta_core.users.taste_record import KeptTaste
from pasta_core.users.taste_types import with_types
from tests.support.tastes import World, text_embedding

WORLD = World.drawn(3)
PLAN = SpacePlan(image_rank=5, text_rank=4, ridge=1.0, image_deviation=0.5, text_deviation=0.3)
SPACE = fit_space("", [WORLD.pick(f"session {n}", 1) for n in range(60)], PLAN)
TWO_TYPES = with_types(
    SPACE,
    slates := [WORLD.pick(f"session {n}", 2) for n in range(30)],
    [
        np.array([f @ np.ones(SPACE.dimension), f @ -np.ones(SPACE.dimension)])
        for f in map(SPACE.features, slates)
    ],
    np.array([0.5, 0.5]),
)


def picks(chosen: Sequence[int]) -> tuple[Pick, ...]:
    return tuple(WORLD.pick("a red train", turn, (column,)) for turn, column in enumerate(chosen, start=1))


def worded(turn: int, chosen: int, *prompts: str) -> Pick:
    """A pick of columns with these prompts."""
    texts = ("a red train", *prompts)
    images = [WORLD.image(text, number) for number, text in enumerate(texts)]
    return replace(
        WORLD.pick("s", turn, (chosen,), columns=len(prompts)),
        prompts=texts,
        images=np.stack([normalised(image) for image in images]),
        texts=normalised(np.stack([text_embedding(text) for text in texts])),
    )


CHOSEN = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(CHOSEN, st.randoms(use_true_random=False))
def test_the_final_belief_does_not_depend_on_the_order_of_picks(
    chosen: list[int], shuffle: random.Random
) -> None:
    own = list(picks(chosen))
    account = account_for(own, space=SPACE)
    shuffle.shuffle(own)
    other = account_for(own, space=SPACE)
    assert other.certainty == pytest.approx(account.certainty, abs=1e-9)
    before = {(it.words, it.columns): it.after for it in account.steps[-1].shifts}
    after = {(it.words, it.columns): it.after for it in other.steps[-1].shifts}
    assert after.keys() == before.keys()
    assert [after[key] for key in before] == pytest.approx(list(before.values()), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(CHOSEN)
def test_moves_add_up_to_the_belief_after_less_the_one_before(chosen: list[int]) -> None:
    own = picks(chosen)
    account = account_for(own, space=TWO_TYPES)
    moved: dict[str, float] = {}
    for step in account.steps:
        for shift in step.shifts:
            moved[shift.words] = moved.get(shift.words, 0.0) + shift.moved
    nothing, everything = believe(TWO_TYPES, ()).mean, believe(TWO_TYPES, own).mean
    for trait in word_traits(TWO_TYPES, own):
        assert moved[trait.words] == pytest.approx(float(trait.direction @ (everything - nothing)), abs=1e-6)
    assert account.types == account.steps[-1].types[1]


def test_what_moved_the_taken_column_adds_up_and_it_gains() -> None:
    for step in account_for(picks([2, 0, 1]), space=SPACE).steps:
        assert step.taken is not None and step.taken.moved > 0
        assert step.likeness + step.pictures + step.prompts == pytest.approx(step.taken.moved)


def test_steps_follow_upon_each_other() -> None:
    account = account_for(picks([1, 1, 3]), space=TWO_TYPES)
    for one, other in zip(account.steps, account.steps[1:], strict=False):
        assert one.certainty[1] == other.certainty[0]
        assert one.types[1] == other.types[0]
    assert account.certainty == account.steps[-1].certainty[1] > 0
    assert [step.turn for step in account.steps] == [1, 2, 3]


def test_an_earlier_account_spares_work_and_changes_nothing() -> None:
    own = picks([1, 1, 3, 0])
    earlier = account_for(own[:2], space=TWO_TYPES)
    assert account_for(own, space=TWO_TYPES, known=earlier.beliefs) == account_for(own, space=TWO_TYPES)


def test_a_pick_is_foreseen_by_those_before_it_alone() -> None:
    own = picks([1, 1, 1])
    for number, step in enumerate(account_for(own, space=SPACE).steps):
        utilities = believe(SPACE, own[:number]).utilities(SPACE.features(own[number]))
        chances = np.exp(utilities) / np.exp(utilities).sum()
        assert step.foreseen == pytest.approx(float(chances[1]))
        assert step.guess == 0.25


def test_nothing_is_foreseen_before_the_first_pick() -> None:
    (step,) = account_for(picks([3]), space=SPACE).steps
    assert step.foreseen == pytest.approx(0.25)
    assert step.taken is not None and step.taken.before == pytest.approx(0.0)


def test_none_of_these_and_ties_are_foreseen_as_what_they_are() -> None:
    none = WORLD.pick("a red train", 1, (), outside=True)
    tie = WORLD.pick("a red train", 2, (0, 2))
    refused, tied = account_for([none, tie], space=SPACE).steps
    assert refused.guess == 0.2
    assert refused.taken is not None and refused.taken.moved < 0
    assert refused.likeness + refused.pictures + refused.prompts == pytest.approx(refused.taken.moved)
    assert refused.foreseen == pytest.approx(0.2)
    assert (tied.guess, tied.taken) == (0.5, None)


def test_kept_picks_count_by_their_weights_and_come_before_all_of_the_session() -> None:
    kept = KeptTaste(tuple(WORLD.pick("another", turn, (0,)) for turn in range(4)), (0.5,) * 4)
    account = account_for(picks([1]), kept, SPACE)
    assert (account.kept, account.weight, account.picks) == (4, 2.0, 5)
    before = believe(SPACE, kept.picks, np.full(4, 0.5))
    utilities = before.utilities(SPACE.features(picks([1])[0]))
    assert account.steps[0].foreseen == pytest.approx(float(np.exp(utilities[1]) / np.exp(utilities).sum()))
    assert account_for((), kept, SPACE).certainty == account.steps[0].certainty[0] > 0


def test_a_session_without_anything_is_certain_of_nothing() -> None:
    account = account_for(())
    assert (account.picks, account.certainty, account.steps, account.types) == (0, 0.0, (), ())


def test_without_a_space_the_slates_of_the_picks_are_one() -> None:
    account = account_for(picks([0, 2]))
    assert len(account.steps) == 2 and account.certainty > 0


def test_words_that_only_occur_together_are_one_trait() -> None:
    own = (
        worded(
            1, 0, "a red train in a storm, full view", "pop art of a red train", "a pink train", "a train"
        ),
    )
    traits = {trait.words: trait.columns for trait in word_traits(SPACE, own)}
    # every column has a train; two have a red one
    assert traits == {"storm, full view": 1, "pop art": 1, "red": 2, "pink": 1}


def test_a_phrase_has_the_word_that_always_stands_beside_it() -> None:
    own = (
        worded(1, 0, "pop art of a train", "pixel art of a train", "a train", "a photo of a train"),
        worded(2, 0, "pop art of a train at dusk", "pop art of a bus", "a bus", "a bus at dusk"),
    )
    words = {trait.words for trait in word_traits(SPACE, own)}
    assert {"pop art", "pixel art"} <= words
    assert not words & {"pop", "pixel", "art"}


def test_a_word_that_also_stands_alone_is_a_trait_of_its_own() -> None:
    own = (worded(1, 0, "a dark red train", "a red train", "a train", "a bus"),)
    assert {"dark red", "red train"} <= {trait.words for trait in word_traits(SPACE, own)}


def test_what_all_columns_of_a_slate_say_is_no_trait() -> None:
    own = (worded(1, 0, "a red train at night", "a red train at night"),)
    assert word_traits(SPACE, own) == ()


def test_a_trait_holds_the_mean_of_what_its_columns_have_beyond_their_slates() -> None:
    own = (worded(1, 0, "a train at night", "a train in fog", "a bus at night"),)
    features = SPACE.features(own[0])
    night = next(trait for trait in word_traits(SPACE, own) if trait.words == "night")
    relative = features - features.mean(0)
    assert night.direction == pytest.approx((relative[0] + relative[2]) / 3)


def test_what_all_columns_of_a_refused_slate_say_is_lost() -> None:
    refused = replace(
        worded(1, 0, "a red train in fog, oil painting", "a red train at sea, oil painting"),
        chosen=(),
        outside=True,
    )
    (step,) = account_for([refused], space=SPACE).steps
    moved = {it.words: it.moved for it in step.shifts}
    assert moved["oil painting"] < 0
    assert not any("red" in words for words in moved), "one's own words were not refused"
    assert step.taken is not None
    assert moved["oil painting"] == pytest.approx(step.taken.moved * 2 / 3), "of two columns, over three"


def test_a_blind_account_tells_no_word_of_a_prompt() -> None:
    own = (worded(1, 0, "secret one", "secret two"), worded(2, 1, "secret three", "secret four"))
    seen, blind = account_for(own, space=SPACE), account_for(own, space=SPACE, blind=True)
    assert any(step.shifts for step in seen.steps) and not any(step.shifts for step in blind.steps)
    assert blind.certainty == seen.certainty


def test_undecided_between_k_types_is_log2_k_bits() -> None:
    assert entropy((0.25,) * 4) == pytest.approx(2.0)
    assert entropy((1.0, 0.0)) == 0.0
