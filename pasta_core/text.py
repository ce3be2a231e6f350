"""Text hygiene: what a person, a model or a data set wrote, made safe to store and to show."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pasta_core.errors import InvalidInput, PastaError

__all__ = [
    "CRITIQUE_WORDS",
    "CleanText",
    "clean",
    "clean_critique",
    "clean_line",
    "clean_prompt",
    "count_words",
    "counted",
    "told",
]

CRITIQUE_WORDS = 12
"""The longest critique in words (App. B.1)."""

_ESCAPE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # strings: OSC, DCS, ...
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements, modes
    r"|\x1b[ -/]*[0-~]"  # the short ones
)
_SPACE = re.compile(r"\s+")
_BREAK = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]")
_BIDIRECTIONAL = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cs"})


@dataclass(frozen=True, slots=True)
class CleanText:
    """One line of text without control characters; `stripped` says whether it had any."""

    text: str
    stripped: bool


def clean(text: str) -> CleanText:
    """Remove escape sequences, control characters and lone surrogates, and collapse white space.

    Line breaks and tabs are white space and not worth a note, so they do not count as `stripped`.
    """
    spaced = _SPACE.sub(" ", _ESCAPE.sub("\x00", text))
    kept = "".join(char for char in spaced if not _is_control(char))
    return CleanText(_SPACE.sub(" ", kept).strip(), stripped=kept != spaced)


def clean_line(text: str) -> str:
    """One line as it is laid out, blanks kept, without what a terminal would obey."""
    spaced = _BREAK.sub(" ", _ESCAPE.sub("", text))
    return "".join(char for char in spaced if not _is_control(char))


def told(error: PastaError) -> str:
    """An error in one line that is safe to show: what happened and, where there is something, what to do."""
    hint = clean(error.hint).text
    return f"{clean(error.message).text}; {hint}" if hint else clean(error.message).text


def count_words(text: str) -> int:
    """How many white-space separated words the text has."""
    return len(text.split())


def clean_prompt(text: str, max_words: int) -> CleanText:
    """Clean an initial prompt; `InvalidInput` if it is empty or has more than `max_words` words (E.2)."""
    prompt = clean(text)
    words = count_words(prompt.text)
    if words == 0:
        raise InvalidInput("the prompt is empty", "say in a few words what you want to see")
    if words > max_words:
        raise InvalidInput(
            f"the prompt has {words} words, at most {max_words} are allowed",
            "shorten it: the turns that follow add the details",
        )
    return prompt


def clean_critique(text: str) -> str:
    """Clean a critique; `InvalidInput` if it is longer than 12 words (App. B.1)."""
    critique = clean(text).text
    words = count_words(critique)
    if words > CRITIQUE_WORDS:
        raise InvalidInput(
            f"the critique has {words} words, at most {CRITIQUE_WORDS} are allowed", "shorten it"
        )
    return critique


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _DROPPED_CATEGORIES or char in _BIDIRECTIONAL


def counted(count: int, what: str) -> str:
    """So many of what, in the plural where it is not one."""
    return f"{count} {what}{'' if count == 1 else 's'}"
