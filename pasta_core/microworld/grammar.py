"""The scene grammar: what a picture of the microworld can show, and what training never sees."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from functools import lru_cache

__all__ = [
    "ATTRIBUTES",
    "COLOURS",
    "HELD_OUT",
    "IDEAS",
    "LIGHTS",
    "SCENES",
    "SETTINGS",
    "STYLES",
    "SUBJECTS",
    "VIEWS",
    "Attributes",
    "Scene",
    "held_out_scenes",
    "is_held_out",
    "sample_scene",
]

SUBJECTS = (
    "train",
    "cat",
    "house",
    "tree",
    "boat",
    "car",
    "bird",
    "flower",
    "fish",
    "rocket",
    "castle",
    "mushroom",
)
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black")
SETTINGS = ("snow", "forest", "beach", "desert", "city", "mountains", "meadow", "room")
LIGHTS = ("sunlight", "sunset", "night", "fog", "rain", "storm", "aurora", "rainbow")
STYLES = ("photo", "sketch", "watercolour", "pixel art", "pop art", "oil painting")
VIEWS = ("close-up", "full view", "wide shot")

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "colour": COLOURS,
    "setting": SETTINGS,
    "light": LIGHTS,
    "style": STYLES,
    "view": VIEWS,
}
"""Every attribute's values, in the order that scene numbers and classifier heads use."""

SCENES = len(SUBJECTS) * len(COLOURS) * len(SETTINGS) * len(LIGHTS) * len(STYLES) * len(VIEWS)
"""How many different scenes there are."""

HELD_OUT = 2000
"""How many scenes no training ever draws; every bar is measured on them."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a text says of a scene; None where it leaves an attribute open."""

    subject: str | None = None
    colour: str | None = None
    setting: str | None = None
    light: str | None = None
    style: str | None = None
    view: str | None = None

    def __post_init__(self) -> None:
        for name, values in ATTRIBUTES.items():
            value = getattr(self, name)
            if value is not None and value not in values:
                raise ValueError(f"{name} {value!r} is none of {', '.join(values)}")

    def known(self) -> dict[str, str]:
        """The attributes that are given, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    def updated(self, other: Attributes) -> Attributes:
        """These attributes, with those that `other` gives put over them."""
        return Attributes(**(self.known() | other.known()))


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture's content: a value for every attribute."""

    subject: str
    colour: str
    setting: str
    light: str
    style: str
    view: str

    @classmethod
    def from_labels(cls, labels: tuple[int, ...]) -> Scene:
        """The scene whose attribute values stand at these positions of `ATTRIBUTES`."""
        return cls(*(values[label] for values, label in zip(ATTRIBUTES.values(), labels, strict=True)))

    @classmethod
    def from_number(cls, number: int) -> Scene:
        """The scene with this number, 0 <= number < SCENES (mixed radix over `ATTRIBUTES`)."""
        labels: list[int] = []
        for values in reversed(tuple(ATTRIBUTES.values())):
            number, label = divmod(number, len(values))
            labels.append(label)
        return cls.from_labels(tuple(reversed(labels)))

    @property
    def labels(self) -> tuple[int, ...]:
        """The position of each attribute's value in `ATTRIBUTES`."""
        return tuple(
            values.index(value) for values, value in zip(ATTRIBUTES.values(), astuple(self), strict=True)
        )

    @property
    def number(self) -> int:
        number = 0
        for values, label in zip(ATTRIBUTES.values(), self.labels, strict=True):
            number = number * len(values) + label
        return number

    @property
    def attributes(self) -> Attributes:
        return Attributes(*astuple(self))


@lru_cache(maxsize=1)
def _held_out_numbers() -> frozenset[int]:
    return frozenset(random.Random("held-out scenes").sample(range(SCENES), HELD_OUT))


def is_held_out(scene: Scene) -> bool:
    """Whether no training may draw this scene."""
    return scene.number in _held_out_numbers()


def held_out_scenes() -> tuple[Scene, ...]:
    """All held-out scenes in a fixed shuffled order."""
    numbers = sorted(_held_out_numbers())
    random.Random("order of held-out scenes").shuffle(numbers)
    return tuple(Scene.from_number(number) for number in numbers)


def sample_scene(rng: random.Random, given: Attributes | None = None, *, training: bool = True) -> Scene:
    """Draw a scene uniformly, with the given attributes fixed; a training scene is never a held-out one.

    Where every attribute is given and the scene is held out, training cannot have it: ValueError.
    """
    fixed = given.known() if given else {}
    if training and len(fixed) == len(ATTRIBUTES) and is_held_out(Scene(**fixed)):
        raise ValueError("a held-out scene was asked for in training")
    while True:
        scene = Scene(**{name: fixed.get(name) or rng.choice(values) for name, values in ATTRIBUTES.items()})
        if not (training and is_held_out(scene)):
            return scene


IDEAS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "happiness": {
        "subject": ("flower", "bird", "cat"),
        "colour": ("yellow", "orange", "pink"),
        "setting": ("meadow", "beach"),
        "light": ("sunlight", "rainbow"),
    },
    "love": {
        "subject": ("flower", "cat", "house"),
        "colour": ("red", "pink"),
        "setting": ("meadow", "room"),
        "light": ("sunset",),
    },
    "hope": {
        "subject": ("bird", "tree", "boat"),
        "colour": ("green", "yellow", "white"),
        "setting": ("mountains", "meadow"),
        "light": ("rainbow", "sunlight"),
    },
    "sadness": {
        "subject": ("tree", "boat", "house"),
        "colour": ("blue", "black"),
        "setting": ("city", "forest"),
        "light": ("rain", "fog"),
    },
    "loneliness": {
        "subject": ("house", "tree", "boat"),
        "colour": ("blue", "white"),
        "setting": ("desert", "snow"),
        "light": ("fog", "night"),
    },
    "freedom": {
        "subject": ("bird", "boat", "rocket"),
        "colour": ("blue", "white"),
        "setting": ("beach", "mountains"),
        "light": ("sunlight",),
    },
    "peace": {
        "subject": ("tree", "boat", "bird"),
        "colour": ("white", "green", "teal"),
        "setting": ("meadow", "beach"),
        "light": ("sunset", "fog"),
    },
    "fear": {
        "subject": ("castle", "tree", "cat"),
        "colour": ("black", "purple"),
        "setting": ("forest",),
        "light": ("storm", "night"),
    },
    "magic": {
        "subject": ("castle", "mushroom", "cat"),
        "colour": ("purple", "teal", "pink"),
        "setting": ("forest", "mountains"),
        "light": ("aurora", "rainbow"),
    },
    "adventure": {
        "subject": ("rocket", "train", "boat", "car"),
        "colour": ("orange", "red", "teal"),
        "setting": ("desert", "mountains"),
        "light": ("sunset", "aurora", "storm"),
    },
    "anger": {
        "subject": ("car", "castle", "train"),
        "colour": ("red", "black"),
        "setting": ("city", "desert"),
        "light": ("storm",),
    },
    "home": {
        "subject": ("house", "cat"),
        "colour": ("orange", "red", "yellow"),
        "setting": ("room", "snow"),
        "light": ("sunset", "night"),
    },
}
"""Abstract ideas (§6.4) and the palettes and scenes they are loosely tied to."""
