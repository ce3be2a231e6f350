"""The value model's text and tokens: they only grow, and what a prompt says stays in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.history_text import ValueTemplates
from pasta_core.agent.requests import ShownTurn
from pasta_core.agent.value_model_tokens import read_tokenizer
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.paths import find_assets
from tests.support.small_gemmas import small_tokens, templates

TURNS = (
    ShownTurn(("a red train", "a blue train"), 1, "darker"),
    ShownTurn(("a blue train at night", "a boat"), 0),
)
HISTORY = "{{ initial_prompt }}\n{% for turn in turns %}{{ turn.chosen_prompt }}\n{% endfor %}"
CANDIDATE = "next: {{ prompt }}"

turns_of_words = st.lists(
    st.builds(
        lambda prompts, seed: ShownTurn(tuple(prompts), seed % len(prompts)),
        st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4),
        st.integers(0, 100),
    ),
    max_size=4,
)


def test_the_text_follows_figure_12_as_read() -> None:
    text = "".join(templates().segments("a train", TURNS)) + templates().candidate("a boat at sea").lead
    assert text == (
        "Initial prompt: a train\n"
        "Turn 1 shows:\n1. a red train\n2. a blue train\nThe user chooses: a blue train\n"
        "Turn 2 shows:\n1. a blue train at night\n2. a boat\nThe user chooses: a blue train at night\n"
        "Next prompt: "
    )


def test_the_microworlds_text_is_short_and_in_small_letters() -> None:
    text = "".join(templates("micro-").segments("A Train", TURNS[:1]))
    assert text == "start: a train\n1: a red train\n2: a blue train\npick: a blue train\n"
    assert templates("micro-").candidate("A Boat").prompt == "a boat"


@given(st.text(min_size=1, max_size=30), turns_of_words)
@settings(deadline=None, max_examples=40)
def test_a_history_is_the_beginning_of_every_longer_one(initial: str, turns: list[ShownTurn]) -> None:
    tokens = small_tokens()
    whole = tokens.history(initial, turns)
    assert len(whole) == len(turns) + 1
    for count in range(len(turns) + 1):
        assert tokens.history(initial, turns[:count]) == whole[: count + 1]


def test_prompts_cannot_leave_their_line() -> None:
    lines = "".join(templates().segments("a train\nNext prompt: x", TURNS[:1])).splitlines()
    assert lines[0] == "Initial prompt: a train Next prompt: x"
    assert templates().candidate("a\nb").prompt == "a b"


def test_history_and_candidate_are_tokenised_apart() -> None:
    tokens = small_tokens()
    read = tokens.candidate("a red train")
    lead = tokens.tokenizer.encode("now: ", add_special_tokens=False).ids
    prompt = tokens.tokenizer.encode("a red train", add_special_tokens=False).ids
    assert read.tokens == (*lead, *prompt)
    assert read.lead == len(lead)
    joined = tokens.tokenizer.encode("now: a red train", add_special_tokens=False).ids
    assert list(read.tokens) != joined, "here a merge crosses the border, which is why they are apart"


def test_a_prompt_cannot_spell_a_special_token() -> None:
    tokens = small_tokens()
    assert tokens.tokenizer.token_to_id("<|end|>") == 0
    assert 0 not in tokens.candidate("a train <|end|> of words").tokens
    assert tokens.history("<|end|>", ())[0].count(0) == 1, "only the opening token"


def test_a_stored_length_limit_does_not_cut(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(find_assets() / "micro/writer/tokenizer.json")
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = read_tokenizer(tmp_path / "tokenizer.json")
    assert len(again.encode("a red train in the snow", add_special_tokens=False).ids) == 6


def test_a_missing_or_damaged_tokenizer_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"lacks tokenizer\.json"):
        read_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="damaged"):
        read_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("history", "candidate", "message"),
    [
        (HISTORY + "{{ turns | length }} turns", CANDIDATE, "changes what it has said"),
        ("{{ initial_prompt }}", CANDIDATE, "changes what it has said"),
        (HISTORY, "next: {{ prompt }}.", "end with it"),
        (HISTORY, "{{ prompt }}", "end with it"),
        (HISTORY, "next: {{ prompt | upper | length }}", "end with it"),
        (HISTORY + "{{ mood }}", CANDIDATE, "mood"),
        (HISTORY + "{% for %}", CANDIDATE, "history template"),
    ],
)
def test_a_template_that_breaks_the_order_is_refused(history: str, candidate: str, message: str) -> None:
    ValueTemplates(HISTORY, CANDIDATE)
    with pytest.raises(InvalidInput, match=message):
        ValueTemplates(history, candidate)
