"""Critiques that a user may add to a choice, and what each asks of the next prompts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from pasta_core.microworld.captions import BARE, STYLE_SUFFIXES
from pasta_core.microworld.grammar import ATTRIBUTES, COLOURS, LIGHTS, SETTINGS, STYLES, Attributes

__all__ = ["Effect", "sample_critique"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a critique asks for: the attribute it is about and the values that follow it.

    `needed` says whether the attribute must be named; a critique that only forbids is followed by silence.
    """

    attribute: str
    values: frozenset[str]
    needed: bool

    def followed_by(self, said: Attributes) -> bool:
        """Whether a prompt that says these attributes follows the critique."""
        value = getattr(said, self.attribute)
        return not self.needed if value is None else value in self.values


_WANT = ("make it {}", "more {}", "{} please", "it should be {}", "i want {}", "with more {}", "rather {}")
_AVOID = ("less {}", "no {}", "not so much {}", "without {}", "no more {}", "too much {}", "not {}")
_WANT_COLOUR = ("more {}", "make it {}", "it should be {}", "{} please", "i want it {}", "a {} one")
_AVOID_COLOUR = ("less {}", "not {}", "not so {}", "too {}", "another colour than {}")
_WANT_STYLE = ("as a {}", "make it a {}", "i want a {}", "more like a {}", "{} please")
_AVOID_STYLE = ("not a {}", "no {}", "less like a {}", "not as a {}")

_PLAIN: Mapping[str, tuple[str, frozenset[str], tuple[str, ...]]] = {
    "darker": (
        "light",
        frozenset({"night"}),
        ("darker", "make it darker", "more dark", "too bright", "not so bright"),
    ),
    "brighter": (
        "light",
        frozenset({"sunlight", "sunset", "rainbow"}),
        ("brighter", "make it brighter", "not so dark", "too dark", "less dark", "more light"),
    ),
    "closer": (
        "view",
        frozenset({"close-up"}),
        ("closer", "closer please", "much closer", "too far away", "zoom in"),
    ),
    "further": (
        "view",
        frozenset({"wide shot"}),
        ("further away", "from further away", "too close", "not so close", "zoom out", "show more around it"),
    ),
}
_NAMED = {"setting": SETTINGS, "light": LIGHTS, "colour": COLOURS, "style": STYLES}


def sample_critique(rng: random.Random, said: Attributes) -> tuple[str, Effect]:
    """Draw a critique of a prompt that says these attributes, and what it asks for (at most 12 words).

    It never asks for what is there already and never forbids what isn't.
    """
    while True:
        drawn = _plain(rng) if rng.random() < 0.3 else _named(rng, said)
        if drawn is not None and (getattr(said, drawn[1].attribute) not in drawn[1].values):
            return drawn


def _plain(rng: random.Random) -> tuple[str, Effect]:
    attribute, values, texts = _PLAIN[rng.choice(tuple(_PLAIN))]
    return rng.choice(texts), Effect(attribute, values, needed=True)


def _named(rng: random.Random, said: Attributes) -> tuple[str, Effect] | None:
    attribute = rng.choice(tuple(_NAMED))
    current = getattr(said, attribute)
    if rng.random() < 0.4:
        if current is None:
            return None
        rest = frozenset(ATTRIBUTES[attribute]) - {current}
        return rng.choice(_forms(attribute, want=False)).format(_word(rng, attribute, current)), Effect(
            attribute, rest, needed=False
        )
    value = rng.choice(_NAMED[attribute])
    text = rng.choice(_forms(attribute, want=True)).format(_word(rng, attribute, value))
    return text, Effect(attribute, frozenset({value}), needed=True)


def _forms(attribute: str, *, want: bool) -> tuple[str, ...]:
    if attribute == "colour":
        return _WANT_COLOUR if want else _AVOID_COLOUR
    if attribute == "style":
        return _WANT_STYLE if want else _AVOID_STYLE
    return _WANT if want else _AVOID


def _word(rng: random.Random, attribute: str, value: str) -> str:
    if attribute == "style":
        return rng.choice(
            (value, value, *(text for text in STYLE_SUFFIXES[value] if not text.startswith(("as ", "in "))))
        )
    return rng.choice((value, *BARE.get(value, ())))
