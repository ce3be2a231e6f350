"""Training dialogues: the answers obey every rule that the writer is measured by."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pasta_core.domain import CandidateForm
from pasta_core.microworld.captions import parse_attributes
from pasta_core.microworld.critiques import sample_critique
from pasta_core.microworld.dialogues import VERY_DIFFERENT, answer_text, sample_dialogue
from pasta_core.microworld.grammar import held_out_scenes, sample_scene

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 5))
def test_an_answer_has_its_form_and_keeps_its_budget(seed: int, turn: int) -> None:
    dialogue = sample_dialogue(random.Random(seed), turn=turn, form=CandidateForm())
    assert len(dialogue.request.turns) == turn - 1
    assert len(dialogue.answer) == 25
    names = [candidate.category for candidate in dialogue.answer]
    assert len(set(names)) == 5
    assert names == [name for name in names[::5] for _ in range(5)]
    assert names[-1] == VERY_DIFFERENT
    assert all(
        1 <= len(candidate.prompt.split()) <= dialogue.request.max_words for candidate in dialogue.answer
    )


@given(seeds)
def test_the_direct_form_is_so_many_prompts(seed: int) -> None:
    form = CandidateForm(1, 4)
    dialogue = sample_dialogue(random.Random(seed), form=form)
    assert len(dialogue.answer) == 4
    assert (
        answer_text(dialogue.answer, form).count("- ") == answer_text(dialogue.answer, form).count("\n") == 4
    )


@given(seeds)
def test_the_same_seed_draws_the_same_dialogue(seed: int) -> None:
    assert sample_dialogue(random.Random(seed)) == sample_dialogue(random.Random(seed))


def test_answers_are_varied_faithful_and_follow_critiques() -> None:
    rng = random.Random(4)
    distinct, subjects, followed = [], [], []
    for index in range(400):
        dialogue = sample_dialogue(rng, turn=index % 5 + 1, form=CandidateForm(), critique=True)
        current = parse_attributes(dialogue.request.current_prompt)
        said = [parse_attributes(candidate.prompt) for candidate in dialogue.answer]
        distinct.append(len(set(said)) / 25)
        if current.subject:
            subjects += [one.subject == current.subject for one in said[:20]]
        if dialogue.effect:
            followed += [dialogue.effect.followed_by(one) for one in said]
    assert sum(distinct) / len(distinct) > 0.99
    assert sum(subjects) / len(subjects) > 0.98
    assert sum(followed) / len(followed) > 0.97


@given(seeds)
def test_a_critique_is_short_and_asks_for_a_change(seed: int) -> None:
    rng = random.Random(seed)
    said = sample_scene(rng).attributes
    text, effect = sample_critique(rng, said)
    assert 1 <= len(text.split()) <= 12
    assert not effect.followed_by(said)


def test_training_scenes_are_never_held_out() -> None:
    rng = random.Random(0)
    held_out = {scene.attributes for scene in held_out_scenes()}
    drawn = [parse_attributes(sample_dialogue(rng, turn=1).request.initial_prompt) for _ in range(2000)]
    assert not held_out & set(drawn)
