"""Captions of scenes in many phrasings, and back: what a text says of a scene."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from pasta_core.microworld.grammar import IDEAS, Attributes, Scene

__all__ = [
    "FILLERS",
    "PHRASES",
    "caption",
    "known_words",
    "parse_attributes",
    "parse_idea",
    "sample_mention",
]

NOUNS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "train", "train", "locomotive", "steam train", "railway train"),
    "cat": ("cat", "cat", "cat", "kitten", "kitty"),
    "house": ("house", "house", "house", "cottage", "cabin"),
    "tree": ("tree", "tree", "tree", "oak", "oak tree"),
    "boat": ("boat", "boat", "boat", "sailboat", "ship"),
    "car": ("car", "car", "car", "automobile"),
    "bird": ("bird", "bird", "bird", "songbird", "sparrow"),
    "flower": ("flower", "flower", "flower", "tulip", "blossom"),
    "fish": ("fish", "fish", "fish", "trout"),
    "rocket": ("rocket", "rocket", "rocket", "spaceship", "rocket ship"),
    "castle": ("castle", "castle", "castle", "fortress", "palace"),
    "mushroom": ("mushroom", "mushroom", "mushroom", "toadstool"),
}
ADJECTIVES: Mapping[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange", "orange", "orange", "tangerine"),
    "yellow": ("yellow", "yellow", "yellow", "golden", "lemon"),
    "green": ("green", "green", "green", "emerald"),
    "teal": ("teal", "teal", "turquoise", "cyan"),
    "blue": ("blue", "blue", "blue", "azure", "navy"),
    "purple": ("purple", "purple", "purple", "violet"),
    "pink": ("pink", "pink", "pink", "rosy", "magenta"),
    "white": ("white", "white", "white", "ivory"),
    "black": ("black", "black", "black", "ebony"),
}
SETTING_PHRASES: Mapping[str, tuple[str, ...]] = {
    "snow": ("in the snow", "in a snowy landscape", "in snow", "in a winter landscape", "on snowy ground"),
    "forest": ("in the forest", "in a forest", "in the woods", "among the trees of a forest"),
    "beach": ("on the beach", "at the beach", "by the sea", "on a sandy shore", "by the ocean"),
    "desert": ("in the desert", "in a desert landscape", "among the dunes", "between desert dunes"),
    "city": ("in the city", "in a city", "in a town", "among skyscrapers", "on a city street"),
    "mountains": ("in the mountains", "before the mountains", "in a mountain landscape", "in the alps"),
    "meadow": ("in a meadow", "on a meadow", "in a green field", "in the grass", "on a lawn"),
    "room": ("in a room", "indoors", "inside a room", "in a living room"),
}
LIGHT_PHRASES: Mapping[str, tuple[str, ...]] = {
    "sunlight": ("in bright sunlight", "in sunlight", "on a sunny day", "in the sun", "under a bright sun"),
    "sunset": ("at sunset", "at dusk", "in the evening glow", "at the golden hour", "at sunrise"),
    "night": ("at night", "by moonlight", "under the stars", "on a dark night", "under a starry sky"),
    "fog": ("in the fog", "in morning mist", "on a foggy day", "in mist", "in thick fog"),
    "rain": ("in the rain", "on a rainy day", "in heavy rain", "during a rain shower"),
    "storm": ("in a storm", "under a stormy sky", "with lightning", "in a thunderstorm"),
    "aurora": ("under the aurora", "under northern lights", "with an aurora", "under polar lights"),
    "rainbow": ("under a rainbow", "with a rainbow", "beneath a rainbow", "with a rainbow overhead"),
}
STYLE_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "photo": ("a photo of", "photo of", "a photograph of", "a realistic photo of"),
    "sketch": ("a pencil sketch of", "pencil sketch of", "a sketch of", "a pencil drawing of"),
    "watercolour": ("a watercolour of", "watercolour of", "a watercolor of", "a watercolour painting of"),
    "pixel art": ("pixel art of", "pixel art of", "a pixel art picture of", "an 8-bit picture of"),
    "pop art": ("pop art of", "pop art of", "a pop art picture of", "a pop art poster of"),
    "oil painting": ("an oil painting of", "oil painting of", "a classical oil painting of"),
}
STYLE_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "photo": ("photo", "photorealistic", "as a photo", "realistic photograph"),
    "sketch": ("pencil sketch", "as a pencil sketch", "pencil drawing", "detailed pencil sketch"),
    "watercolour": ("watercolour", "in watercolour", "watercolor painting", "as a watercolour"),
    "pixel art": ("pixel art", "as pixel art", "pixel art style", "8-bit style"),
    "pop art": ("pop art", "as pop art", "pop art style", "comic pop art"),
    "oil painting": ("oil painting", "as an oil painting", "painted in oil", "oil on canvas"),
}
VIEW_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "close-up": ("close-up of", "a close-up of", "a close view of"),
    "full view": ("full view of", "a full view of", "a portrait of"),
    "wide shot": ("wide shot of", "a wide shot of", "a distant view of"),
}
VIEW_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "close-up": ("close-up", "seen up close", "very close"),
    "full view": ("full view", "seen in full", "centred"),
    "wide shot": ("wide shot", "seen from afar", "far away"),
}
BARE: Mapping[str, tuple[str, ...]] = {
    **{light: (light,) for light in LIGHT_PHRASES},
    **{setting: (setting,) for setting in SETTING_PHRASES},
    "snow": ("snow", "snowy", "winter"),
    "night": ("night", "moonlight", "starry", "stars"),
    "sunlight": ("sunlight", "sunny", "bright sunlight"),
    "sunset": ("sunset", "dusk", "evening", "sunrise"),
    "fog": ("fog", "foggy", "mist", "misty"),
    "rain": ("rain", "rainy"),
    "storm": ("storm", "stormy", "thunderstorm", "lightning"),
    "aurora": ("aurora", "northern lights"),
    "rainbow": ("rainbow",),
    "forest": ("forest", "woods", "woodland"),
    "beach": ("beach", "seaside", "shore", "sea", "ocean"),
    "desert": ("desert", "dunes"),
    "city": ("city", "town", "skyscrapers", "street"),
    "mountains": ("mountains", "mountain", "alps", "alpine"),
    "meadow": ("meadow", "field", "grass", "lawn"),
    "room": ("room", "indoors", "living room", "inside"),
}
LEADS = ("a picture of", "an image of", "a scene with", "a painting showing", "a view of")
FILLERS = ("beautiful", "lovely", "little", "big", "old", "lonely", "detailed", "scenic", "quiet", "small")
IDEA_LEADS = ("an image of", "a picture of", "the feeling of", "a scene of", "a symbol of")
CRITIQUE_WORDS = ("more", "less", "not", "so", "please", "make", "it", "should", "be", "brighter", "darker")


def _phrases() -> dict[str, dict[str, tuple[str, ...]]]:
    style = {value: STYLE_PREFIXES[value] + STYLE_SUFFIXES[value] for value in STYLE_PREFIXES}
    style["watercolour"] += ("watercolor",)
    style["sketch"] += ("sketch",)
    style["photo"] += ("photograph", "realistic")
    style["oil painting"] += ("oil",)
    view = {value: VIEW_PREFIXES[value] + VIEW_SUFFIXES[value] for value in VIEW_PREFIXES}
    view["close-up"] += ("closeup", "close")
    view["wide shot"] += ("afar", "distant")
    return {
        "subject": dict(NOUNS),
        "colour": dict(ADJECTIVES),
        "setting": {value: SETTING_PHRASES[value] + BARE[value] for value in SETTING_PHRASES},
        "light": {value: LIGHT_PHRASES[value] + BARE[value] for value in LIGHT_PHRASES},
        "style": style,
        "view": view,
    }


PHRASES: Mapping[str, Mapping[str, tuple[str, ...]]] = _phrases()
"""Attribute -> value -> every phrase that says it."""


def _article(words: str, rng: random.Random) -> str:
    indefinite = "an" if words[0] in "aeiou" else "a"
    return rng.choice((indefinite, indefinite, "the", "one", ""))


def _noun_phrase(said: Attributes, rng: random.Random, fillers: Sequence[str]) -> str:
    noun = rng.choice(NOUNS[said.subject]) if said.subject else rng.choice(("scene", "picture", "view"))
    adjectives = list(fillers)
    if said.colour:
        adjectives.append(rng.choice(ADJECTIVES[said.colour]))
    words = " ".join([*adjectives, noun])
    return f"{_article(words, rng)} {words}".strip()


def sample_mention(rng: random.Random, scene: Scene, keep: float | None = None) -> Attributes:
    """Leave each attribute out at random; `keep` is the chance that one is said (drawn when None)."""
    chance = rng.choice((0.35, 0.6, 0.85, 1.0)) if keep is None else keep
    said = {name: value for name, value in scene.attributes.known().items() if rng.random() < chance}
    if not said:
        said = {"subject": scene.subject}
    return Attributes(**said)


def caption(said: Attributes, rng: random.Random, *, max_words: int | None = None) -> str:
    """Say the given attributes in one of many phrasings, in at most `max_words` words where that can be.

    Short forms are tried when a long one does not fit; the shortest form is a bare list of words.
    """
    if not said.known():
        raise ValueError("nothing to say")
    forms = (_sentence, _sentence, _commas, _keywords) if rng.random() < 0.85 else (_keywords,)
    start = rng.choice((0, 0, 0, 1, 1, 2)) if len(forms) > 1 else 0
    for form in forms[start:]:
        text = form(said, rng)
        if max_words is None or len(text.split()) <= max_words:
            return text
    return " ".join(_keywords(said, rng).split()[:max_words])


def _sentence(said: Attributes, rng: random.Random) -> str:
    fillers = rng.sample(FILLERS, rng.choice((0, 0, 0, 1, 1, 2)))
    text = _noun_phrase(said, rng, fillers)
    places = []
    if said.setting:
        places.append(rng.choice(SETTING_PHRASES[said.setting]))
    if said.light:
        places.append(rng.choice(LIGHT_PHRASES[said.light]))
    rng.shuffle(places)
    text = " ".join([text, *places])
    tail = []
    prefixes = []
    if said.style:
        if rng.random() < 0.5:
            prefixes.append(rng.choice(STYLE_PREFIXES[said.style]))
        else:
            tail.append(rng.choice(STYLE_SUFFIXES[said.style]))
    if said.view:
        if not prefixes and rng.random() < 0.5:
            prefixes.append(rng.choice(VIEW_PREFIXES[said.view]))
        else:
            tail.append(rng.choice(VIEW_SUFFIXES[said.view]))
    if not prefixes and rng.random() < 0.15:
        prefixes.append(rng.choice(LEADS))
    rng.shuffle(tail)
    return ", ".join([" ".join([*prefixes, text]), *tail])


def _commas(said: Attributes, rng: random.Random) -> str:
    parts = []
    for name in ("setting", "light"):
        value = getattr(said, name)
        if value:
            table = SETTING_PHRASES if name == "setting" else LIGHT_PHRASES
            parts.append(rng.choice(table[value] if rng.random() < 0.4 else BARE[value]))
    if said.style:
        parts.append(rng.choice(STYLE_SUFFIXES[said.style]))
    if said.view:
        parts.append(rng.choice(VIEW_SUFFIXES[said.view]))
    rng.shuffle(parts)
    head = [_noun_phrase(said, rng, ())] if said.subject or said.colour else []
    return ", ".join([*head, *parts])


def _keywords(said: Attributes, rng: random.Random) -> str:
    """The shortest form: one bare word or two for each attribute, the subject's noun last."""
    shortest: dict[str, Callable[[str], str]] = {
        "style": lambda value: min(STYLE_SUFFIXES[value], key=lambda text: len(text.split())),
        "view": lambda value: min(VIEW_SUFFIXES[value], key=lambda text: len(text.split())),
        "light": lambda value: BARE[value][0],
        "setting": lambda value: BARE[value][0],
        "colour": lambda value: ADJECTIVES[value][0],
        "subject": lambda value: value,
    }
    return " ".join(say(value) for name, say in shortest.items() if (value := getattr(said, name)))


_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@lru_cache(maxsize=1)
def _lexicon() -> tuple[tuple[tuple[str, ...], str, str], ...]:
    """Every phrase as words, longest first, with the attribute and value it says."""
    entries = {}
    for name, table in PHRASES.items():
        for value, phrases in table.items():
            for phrase in (*phrases, value):
                entries[tuple(_WORD.findall(phrase))] = (name, value)
    return tuple((words, *entries[words]) for words in sorted(entries, key=len, reverse=True))


@lru_cache(maxsize=1)
def _lexicon_by_first_word() -> dict[str, list[tuple[tuple[str, ...], str, str]]]:
    index: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    for entry in _lexicon():
        index.setdefault(entry[0][0], []).append(entry)
    return index


def parse_attributes(text: str) -> Attributes:
    """Read what a text says of a scene: the longest phrases win, of two values of one attribute the first."""
    words = _WORD.findall(text.lower())
    index = _lexicon_by_first_word()
    said: dict[str, str] = {}
    position = 0
    while position < len(words):
        for phrase, name, value in index.get(words[position], ()):
            if tuple(words[position : position + len(phrase)]) == phrase:
                said.setdefault(name, value)
                position += len(phrase)
                break
        else:
            position += 1
    return Attributes(**said)


def parse_idea(text: str) -> str | None:
    """The first abstract idea (§6.4) that a text names, if any."""
    return next((word for word in _WORD.findall(text.lower()) if word in IDEAS), None)


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Every word that captions, ideas and critiques use."""
    texts: list[str] = [
        *LEADS,
        *IDEA_LEADS,
        *FILLERS,
        *CRITIQUE_WORDS,
        *IDEAS,
        "a an the one scene picture view of and",
    ]
    for table in PHRASES.values():
        for value, phrases in table.items():
            texts.extend((value, *phrases))
    return frozenset(word for text in texts for word in _WORD.findall(text.lower()))
