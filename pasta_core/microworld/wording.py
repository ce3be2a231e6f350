"""How a good writer words a prompt: in one plain order, and what is said already stays as it was said."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pasta_core.microworld.captions import (
    ADJECTIVES,
    FILLERS,
    LIGHT_PHRASES,
    NOUNS,
    SETTING_PHRASES,
    STYLE_PREFIXES,
    VIEW_SUFFIXES,
    caption,
    parse_attributes,
)
from pasta_core.microworld.grammar import Attributes

__all__ = ["Wording", "reword"]

_INLINE: Mapping[str, Mapping[str, Sequence[str]]] = {
    "subject": NOUNS,
    "colour": ADJECTIVES,
    "setting": SETTING_PHRASES,
    "light": LIGHT_PHRASES,
}
_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Wording:
    """What a prompt says, in which words, and its adjectives that no attribute stands for."""

    said: Attributes
    phrases: Mapping[str, str]
    fillers: tuple[str, ...]

    @classmethod
    def read(cls, prompt: str) -> Wording:
        """Find each attribute's phrase in a prompt; one said in no usual phrase gets the commonest."""
        said = parse_attributes(prompt)
        words = _WORD.findall(prompt.lower())
        text = f" {' '.join(words)} "
        phrases = {}
        for name, table in _INLINE.items():
            value = getattr(said, name)
            if value is not None:
                found = [phrase for phrase in table[value] if f" {phrase} " in text]
                phrases[name] = max(found, key=len) if found else table[value][0]
        return cls(said, phrases, tuple(dict.fromkeys(word for word in words if word in FILLERS))[:2])


def reword(
    said: Attributes, current: Wording, rng: random.Random, max_words: int, fillers: Sequence[str] = ()
) -> str:
    """Say the attributes as a change of the current prompt, in at most `max_words` words.

    What it says already keeps its phrase, the rest gets a usual one: "STYLE of a FILLERS COLOUR SUBJECT
    SETTING LIGHT, VIEW". Where the budget is too short for that, the shortest caption must do.
    """
    kept = {
        name: phrase
        for name, phrase in current.phrases.items()
        if getattr(said, name) == getattr(current.said, name)
    }
    fresh = {
        name: kept.get(name) or _usual(table[value], rng)
        for name, table in _INLINE.items()
        if (value := getattr(said, name)) is not None
    }
    for adjectives in (tuple(fillers), ()):
        text = _sentence(said, fresh, adjectives)
        if len(text.split()) <= max_words:
            return text
    return caption(said, rng, max_words=max_words)


def _usual(phrases: Sequence[str], rng: random.Random) -> str:
    """Mostly the first phrase, at times another of the commonest."""
    choices = list(dict.fromkeys(phrases))[:3]
    return choices[0] if rng.random() < 0.6 else rng.choice(choices)


def _sentence(said: Attributes, phrases: Mapping[str, str], fillers: Sequence[str]) -> str:
    noun = " ".join([*fillers, *(phrases[name] for name in ("colour", "subject") if name in phrases)])
    article = "an" if noun[:1] in set("aeiou") else "a"
    places = [phrases[name] for name in ("setting", "light") if name in phrases]
    style = [STYLE_PREFIXES[said.style][0]] if said.style else []
    text = " ".join([*style, article, noun, *places])
    return f"{text}, {VIEW_SUFFIXES[said.view][0]}" if said.view else text
