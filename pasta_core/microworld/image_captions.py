"""How the microworld's writer is told what images show: the sheet that training and sessions share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pasta_core.agent.captions import CaptionSheet
from pasta_core.microworld.captions import (
    ADJECTIVES,
    LIGHT_PHRASES,
    NOUNS,
    SETTING_PHRASES,
    STYLE_PREFIXES,
    VIEW_SUFFIXES,
)
from pasta_core.microworld.grammar import ATTRIBUTES

__all__ = ["TAGGED", "caption_sheet", "every_phrase", "sheet_text"]

TAGGED = ("style", "colour", "setting", "light")
"""What the micro CLIP tells in nine of ten drawn training scenes; of the subject it knows next to nothing."""

_FORM = "{style} {colour} scene {setting} {light}"

_HEAD = """\
# What the writer is told of images: per attribute the phrase nearest to them in CLIP's eyes, in one form.
"""


def every_phrase(names: Iterable[str] = tuple(ATTRIBUTES)) -> dict[str, dict[str, str]]:
    """The commonest phrase of each value of the named attributes."""
    commonest = {
        "subject": {value: _with_article(words[0]) for value, words in NOUNS.items()},
        "colour": {value: _with_article(words[0]) for value, words in ADJECTIVES.items()},
        "setting": {value: phrases[0] for value, phrases in SETTING_PHRASES.items()},
        "light": {value: phrases[0] for value, phrases in LIGHT_PHRASES.items()},
        "style": {value: phrases[0] for value, phrases in STYLE_PREFIXES.items()},
        "view": {value: phrases[0] for value, phrases in VIEW_SUFFIXES.items()},
    }
    return {name: commonest[name] for name in names}


@lru_cache(maxsize=1)
def caption_sheet() -> CaptionSheet:
    """The sheet that ships as `assets/micro/clip/captions.toml`; dialogues describe scenes with it."""
    return CaptionSheet(_FORM, every_phrase(TAGGED))


def sheet_text(sheet: CaptionSheet) -> str:
    """A sheet as the TOML file that `CaptionSheet.load` reads; its phrases hold no quotes."""
    lines = [_HEAD + f'form = "{sheet.form}"']
    for name, values in sheet.phrases.items():
        lines.append(f"\n[phrases.{name}]")
        lines.extend(f'"{value}" = "{phrase}"' for value, phrase in values.items())
    return "\n".join(lines) + "\n"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
