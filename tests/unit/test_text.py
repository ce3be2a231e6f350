"""Text hygiene: what is stripped, what is refused, and that nothing dangerous ever survives."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.errors import InvalidInput
from pasta_core.text import clean, clean_critique, clean_line, clean_prompt, count_words, told


@pytest.mark.parametrize(
    ("raw", "text", "stripped"),
    [
        ("a red train", "a red train", False),
        ("  a\tred \n train ", "a red train", False),
        ("a \x1b[31mred\x1b[0m train", "a red train", True),
        ("a \x1b]0;title\x07red train", "a red train", True),
        ("a \x1b]8;;http://x\x1b\\red\x1b]8;;\x1b\\ train", "a red train", True),
        ("a \x1b]unended red train", "a unended red train", True),
        ("a \x9b31mred train", "a red train", True),
        ("a red\x00 train\x7f", "a red train", True),
        ("a \u202ered\u202c train", "a red train", True),
        ("a red \udcff train", "a red train", True),
        ("[bold]a red train[/bold]", "[bold]a red train[/bold]", False),
        ("ein grüner Zug im Schnee 🚂", "ein grüner Zug im Schnee 🚂", False),
        ("👩\u200d🚀 on the moon", "👩\u200d🚀 on the moon", False),
    ],
)
def test_clean(raw: str, text: str, stripped: bool) -> None:
    assert (clean(raw).text, clean(raw).stripped) == (text, stripped)


@given(st.text(alphabet=st.characters(exclude_categories=[]) | st.sampled_from("\x1b[]m;\x07\x9b ")))
def test_clean_text_is_harmless_and_stays_as_it_is(raw: str) -> None:
    text = clean(raw).text
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)
    assert text == " ".join(text.split())
    assert clean(text).text == text
    assert not clean(text).stripped


@pytest.mark.parametrize("raw", ["", "  \n ", "\x1b[31m\x1b[0m", "\x00"])
def test_an_empty_prompt_is_refused(raw: str) -> None:
    with pytest.raises(InvalidInput, match="empty") as refusal:
        clean_prompt(raw, 62)
    assert refusal.value.exit_code == 2


def test_a_prompt_may_have_62_words_and_no_more() -> None:
    assert count_words(clean_prompt("word " * 62, 62).text) == 62
    with pytest.raises(InvalidInput, match="63 words, at most 62"):
        clean_prompt("word " * 63, 62)


def test_a_critique_has_at_most_12_words() -> None:
    assert clean_critique(" more \x1b[1mcolour ") == "more colour"
    assert clean_critique("") == ""
    with pytest.raises(InvalidInput, match="13 words"):
        clean_critique("word " * 13)


@pytest.mark.parametrize(
    ("message", "hint", "line"),
    [
        ("it is\x1b[31m gone", "", "it is gone"),
        ("it is gone", "find\nit\x07", "it is gone; find it"),
        ("[b]gone[/b]", "\x1b]0;owned\x07", "[b]gone[/b]"),
    ],
)
def test_an_error_is_told_in_one_safe_line(message: str, hint: str, line: str) -> None:
    assert told(InvalidInput(message, hint)) == line


@given(st.text(st.characters(categories=["Cc", "Cs", "Cf", "Ll", "Zs", "Zl", "Po"]), max_size=60))
def test_a_line_keeps_its_layout_and_nothing_that_is_obeyed(text: str) -> None:
    line = clean_line(text)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in line)
    assert clean(line).text == clean(text).text


def test_the_columns_of_a_line_stay_where_they_are() -> None:
    assert clean_line("  micro       ready  (your own)") == "  micro       ready  (your own)"
    assert clean_line("a\x1b]52;c;x\x07  \x9b2Jb\nc\u202e") == "a  b c"
