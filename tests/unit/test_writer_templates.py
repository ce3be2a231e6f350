"""Templates: what Fig. 11 holds is there, and data stays in its place."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.agent.requests import ShownTurn, WriteRequest
from pasta_core.agent.templates import WriterTemplate, as_data, spelled
from pasta_core.domain import CandidateForm
from pasta_core.errors import InvalidInput, ModelUnavailable

TEMPLATES = Path(__file__).parents[2] / "assets" / "templates"


def request(
    prompt: str = "a red train", *, critique: str = "", form: CandidateForm | None = None
) -> WriteRequest:
    turn = ShownTurn((prompt + " at night", prompt + " in snow"), 1, critique)
    return WriteRequest(prompt, (turn,), form or CandidateForm(), 17, seed=1, caption="a train")


@pytest.mark.parametrize("name", ["writer.txt", "micro-writer.txt"])
def test_a_shipped_template_holds_the_whole_history(name: str) -> None:
    text = WriterTemplate.load(TEMPLATES / name).render(request(critique="more snow"))
    for part in ("a red train", "a red train at night", "a red train in snow", "more snow", "17", "a train"):
        assert part in text


def test_figure_11_numbers_are_spelled() -> None:
    text = WriterTemplate.load(TEMPLATES / "writer.txt").render(request())
    assert "twenty-five (25) new prompts" in text
    assert "five (5) categories" in text
    assert "selects number 2" in text
    assert "at most 17 words" in text
    assert "very different" in text


def test_the_direct_form_asks_for_the_slate_without_categories() -> None:
    text = WriterTemplate.load(TEMPLATES / "writer.txt").render(request(form=CandidateForm(1, 4)))
    assert "four (4) prompts" in text
    assert "categor" not in text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero (0)"),
        (13, "thirteen (13)"),
        (25, "twenty-five (25)"),
        (40, "forty (40)"),
        (225, "two hundred twenty-five (225)"),
        (1000, "1000"),
    ],
)
def test_spelled(number: int, words: str) -> None:
    assert spelled(number) == words


@given(st.text())
def test_data_is_one_line_without_quotes_or_controls(text: str) -> None:
    cleaned = as_data(text)
    assert cleaned == " ".join(cleaned.split())
    assert '"' not in cleaned
    assert not any(unicodedata.category(char) == "Cc" for char in cleaned)
    assert as_data(cleaned) == cleaned


@given(st.text(max_size=80))
@pytest.mark.parametrize("name", ["writer.txt", "micro-writer.txt"])
def test_a_prompt_cannot_add_a_line(name: str, text: str) -> None:
    template = WriterTemplate.load(TEMPLATES / name)
    plain = template.render(request("a cat")).count("\n")
    assert template.render(request(text)).count("\n") == plain


def test_template_syntax_in_a_prompt_is_literal() -> None:
    text = WriterTemplate.load(TEMPLATES / "writer.txt").render(request("{{ 7 * 7 }} {% if %}"))
    assert "{{ 7 * 7 }} {% if %}" in text


def test_errors_name_the_template(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"missing\.txt"):
        WriterTemplate.load(tmp_path / "missing.txt")
    with pytest.raises(InvalidInput, match="line 2"):
        WriterTemplate.parse("one\n{% if %}\n")
    with pytest.raises(InvalidInput, match="made_up"):
        WriterTemplate.parse("{{ made_up }}").render(request())
