"""The GBNF grammars of the writer's lines: a prompt within the word budget, and a category's name.

The form of Fig. 11 is forced line by line: the writer lays down each line's marker ("*" or "-") itself and
lets the model write the rest of the line under one of these grammars. A line can then be asked again without
touching the others, and no grammar ever spans more than one prompt.
"""

from __future__ import annotations

from pasta_core.domain import CandidateForm

__all__ = ["CATEGORY_WORDS", "answer_grammar", "category_grammar", "prompt_grammar"]

CATEGORY_WORDS = 5
"""The longest category name in words."""

_LETTERS = "a-zA-Z\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u05FF\\u0620-\\u1FFF\\u3040-\\uD7FF"

# Every word starts with a letter or a digit, so no list marker, markup or control character can be written;
# a first word may not look like "1." either. Words end after 40 characters, so every line ends.
_WORDS = f"""\
first ::= ['(]? [0-9]{{0,4}} letter char{{0,39}} | [0-9]{{1,4}}
word ::= ['(]? alnum char{{0,39}}
char ::= alnum | [,.;:!?&'%/()+\\u2019-]
letter ::= [{_LETTERS}]
alnum ::= [{_LETTERS}0-9]
"""


def prompt_grammar(max_words: int) -> str:
    """A line of one prompt of 1 to `max_words` words; it starts with a space and ends in a newline."""
    return _line(max_words) + _WORDS


def category_grammar() -> str:
    """A line that holds a category's name of at most `CATEGORY_WORDS` words."""
    return _line(CATEGORY_WORDS) + _WORDS


def answer_grammar(form: CandidateForm, max_words: int) -> str:
    """A whole answer, for servers that can't be asked line by line."""
    category = f'"*" category prompt{{{form.per_category}}}'
    root = f"prompt{{{form.per_category}}}" if form.direct else f"({category}){{{form.categories}}}"
    return (
        f"root ::= {root}\n"
        + _line(CATEGORY_WORDS, "category")
        + _line(max_words, "line")
        + 'prompt ::= "-" line\n'
        + _WORDS
    )


def _line(max_words: int, name: str = "root") -> str:
    if max_words < 1:
        raise ValueError(f"a line of {max_words} words cannot hold anything")
    more = f' (" " word){{0,{max_words - 1}}}' if max_words > 1 else ""
    return f'{name} ::= " " first{more} "\\n"\n'
