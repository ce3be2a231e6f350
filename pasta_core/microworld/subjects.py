"""The shapes of the twelve subjects, as outlines in a unit box that the drawer scales and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

__all__ = ["SHAPES", "Part"]

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline: x from -1 (left) to 1, y from -1 (top) to 1 (ground), and the tone filling it."""

    points: Points
    tone: str


def _box(left: float, top: float, right: float, bottom: float, tone: str) -> Part:
    return Part(((left, top), (right, top), (right, bottom), (left, bottom)), tone)


def _oval(x: float, y: float, width: float, height: float, tone: str, tilt: float = 0.0) -> Part:
    points = []
    for step in range(20):
        angle = 2 * pi * step / 20
        dx, dy = width * cos(angle), height * sin(angle)
        points.append((x + dx * cos(tilt) - dy * sin(tilt), y + dx * sin(tilt) + dy * cos(tilt)))
    return Part(tuple(points), tone)


def _disc(x: float, y: float, radius: float, tone: str) -> Part:
    return _oval(x, y, radius, radius, tone)


def _train() -> tuple[Part, ...]:
    wheels = tuple(_disc(x, 0.72, 0.24, "wheel") for x in (-0.68, -0.16, 0.4, 0.76))
    return (
        _box(-0.78, -0.75, -0.5, -0.2, "dark"),
        Part(((-0.86, -0.95), (-0.42, -0.95), (-0.5, -0.68), (-0.78, -0.68)), "dark"),
        _box(-0.95, -0.28, 0.4, 0.5, "main"),
        _box(-0.1, -0.5, 0.18, -0.28, "light"),
        _box(0.3, -0.72, 0.95, 0.5, "main"),
        _box(0.2, -0.88, 1.0, -0.7, "dark"),
        _box(0.44, -0.5, 0.8, -0.08, "glass"),
        Part(((-0.95, 0.3), (-1.1, 0.85), (-0.75, 0.62)), "dark"),
        *wheels,
    )


def _cat() -> tuple[Part, ...]:
    tail = Part(
        ((0.3, 0.9), (0.8, 0.75), (0.86, 0.2), (0.68, 0.0), (0.66, 0.35), (0.56, 0.6), (0.25, 0.65)), "dark"
    )
    return (
        tail,
        _oval(0.0, 0.45, 0.48, 0.52, "main"),
        Part(((-0.46, -0.5), (-0.5, -1.05), (-0.08, -0.72)), "main"),
        Part(((0.46, -0.5), (0.5, -1.05), (0.08, -0.72)), "main"),
        _oval(0.0, -0.4, 0.5, 0.42, "main"),
        _oval(0.0, 0.55, 0.22, 0.32, "light"),
        _disc(-0.2, -0.45, 0.1, "eye"),
        _disc(0.2, -0.45, 0.1, "eye"),
        Part(((-0.09, -0.24), (0.09, -0.24), (0.0, -0.12)), "pupil"),
    )


def _house() -> tuple[Part, ...]:
    return (
        _box(0.36, -0.95, 0.6, -0.3, "dark"),
        _box(-0.75, -0.25, 0.75, 0.95, "main"),
        Part(((-1.0, -0.2), (0.0, -1.0), (1.0, -0.2)), "dark"),
        _box(-0.2, 0.3, 0.18, 0.95, "wood"),
        _box(-0.62, 0.0, -0.32, 0.32, "glass"),
        _box(0.32, 0.0, 0.62, 0.32, "glass"),
    )


def _tree() -> tuple[Part, ...]:
    return (
        Part(((-0.14, 0.1), (0.14, 0.1), (0.22, 0.98), (-0.22, 0.98)), "wood"),
        _disc(-0.42, -0.1, 0.46, "main"),
        _disc(0.42, -0.1, 0.46, "main"),
        _disc(0.0, -0.5, 0.52, "main"),
        _disc(-0.1, -0.05, 0.38, "main"),
        _disc(-0.2, -0.6, 0.16, "light"),
        _disc(0.3, -0.2, 0.15, "dark"),
    )


def _boat() -> tuple[Part, ...]:
    return (
        _box(-0.06, -0.98, 0.04, 0.45, "wood"),
        Part(((0.08, -0.9), (0.08, 0.32), (0.86, 0.32)), "sail"),
        Part(((-0.1, -0.7), (-0.1, 0.32), (-0.74, 0.32)), "light"),
        Part(((-1.0, 0.42), (1.0, 0.42), (0.66, 0.95), (-0.66, 0.95)), "main"),
        Part(((-0.94, 0.52), (0.94, 0.52), (0.88, 0.64), (-0.88, 0.64)), "dark"),
    )


def _car() -> tuple[Part, ...]:
    return (
        Part(((-0.62, 0.05), (-0.4, -0.45), (0.34, -0.45), (0.64, 0.05)), "main"),
        Part(((-0.46, 0.02), (-0.32, -0.32), (-0.06, -0.32), (-0.06, 0.02)), "glass"),
        Part(((0.06, 0.02), (0.06, -0.32), (0.28, -0.32), (0.46, 0.02)), "glass"),
        Part(((-1.0, 0.1), (-0.85, 0.0), (0.85, 0.0), (1.02, 0.2), (1.02, 0.62), (-1.0, 0.62)), "main"),
        _box(-1.0, 0.36, 1.02, 0.46, "dark"),
        _disc(-0.55, 0.64, 0.28, "wheel"),
        _disc(0.55, 0.64, 0.28, "wheel"),
        _disc(-0.55, 0.64, 0.11, "metal"),
        _disc(0.55, 0.64, 0.11, "metal"),
        _disc(0.9, 0.22, 0.1, "lamp"),
    )


def _bird() -> tuple[Part, ...]:
    return (
        _box(-0.12, 0.5, -0.04, 0.98, "wheel"),
        _box(0.12, 0.5, 0.2, 0.98, "wheel"),
        Part(((-0.5, 0.0), (-1.1, -0.25), (-1.0, 0.25), (-0.55, 0.4)), "dark"),
        _oval(-0.05, 0.2, 0.62, 0.42, "main", -0.25),
        _disc(0.48, -0.38, 0.36, "main"),
        Part(((0.78, -0.5), (1.15, -0.3), (0.76, -0.2)), "beak"),
        _oval(-0.18, 0.18, 0.38, 0.2, "dark", -0.35),
        _disc(0.54, -0.46, 0.09, "pupil"),
    )


def _flower() -> tuple[Part, ...]:
    petals = tuple(
        _disc(0.42 * cos(2 * pi * k / 6), -0.42 + 0.42 * sin(2 * pi * k / 6), 0.28, "main") for k in range(6)
    )
    return (
        _box(-0.07, 0.0, 0.07, 0.98, "leaf"),
        Part(((0.0, 0.85), (0.3, 0.45), (0.66, 0.4), (0.4, 0.75)), "leaf"),
        Part(((0.0, 0.85), (-0.3, 0.45), (-0.66, 0.4), (-0.4, 0.75)), "leaf"),
        *petals,
        _disc(0.0, -0.42, 0.26, "lamp"),
    )


def _fish() -> tuple[Part, ...]:
    return (
        Part(((-0.45, 0.0), (-1.05, -0.5), (-0.9, 0.0), (-1.05, 0.5)), "dark"),
        Part(((-0.25, -0.35), (0.1, -0.75), (0.35, -0.3)), "dark"),
        Part(((-0.1, 0.3), (0.05, 0.68), (0.28, 0.3)), "dark"),
        _oval(0.15, 0.0, 0.78, 0.45, "main"),
        Part(((0.32, -0.36), (0.44, 0.0), (0.32, 0.36), (0.22, 0.36), (0.3, 0.0), (0.22, -0.36)), "light"),
        _disc(0.64, -0.12, 0.13, "eye"),
        _disc(0.66, -0.12, 0.06, "pupil"),
    )


def _rocket() -> tuple[Part, ...]:
    return (
        Part(((-0.22, 0.58), (0.22, 0.58), (0.0, 1.08)), "flame"),
        Part(((-0.3, 0.1), (-0.72, 0.7), (-0.28, 0.6)), "dark"),
        Part(((0.3, 0.1), (0.72, 0.7), (0.28, 0.6)), "dark"),
        Part(
            (
                (0.0, -1.05),
                (0.24, -0.7),
                (0.34, -0.25),
                (0.34, 0.2),
                (0.24, 0.62),
                (-0.24, 0.62),
                (-0.34, 0.2),
                (-0.34, -0.25),
                (-0.24, -0.7),
            ),
            "main",
        ),
        Part(((0.0, -1.05), (0.24, -0.66), (-0.24, -0.66)), "dark"),
        _disc(0.0, -0.25, 0.19, "glass"),
    )


def _castle() -> tuple[Part, ...]:
    teeth = tuple(_box(x, -0.32, x + 0.18, -0.05, "main") for x in (-0.4, -0.08, 0.24))
    return (
        _box(-0.5, -0.1, 0.5, 0.95, "main"),
        *teeth,
        _box(-0.98, -0.5, -0.45, 0.95, "main"),
        _box(0.45, -0.5, 0.98, 0.95, "main"),
        Part(((-1.08, -0.48), (-0.72, -1.05), (-0.36, -0.48)), "dark"),
        Part(((1.08, -0.48), (0.72, -1.05), (0.36, -0.48)), "dark"),
        Part(((-0.2, 0.95), (-0.2, 0.5), (0.0, 0.3), (0.2, 0.5), (0.2, 0.95)), "wheel"),
        _box(-0.8, -0.2, -0.62, 0.12, "glass"),
        _box(0.62, -0.2, 0.8, 0.12, "glass"),
    )


def _mushroom() -> tuple[Part, ...]:
    return (
        Part(((-0.26, 0.0), (0.26, 0.0), (0.38, 0.95), (-0.38, 0.95)), "sail"),
        Part(
            (
                (-0.98, 0.12),
                (-0.9, -0.32),
                (-0.6, -0.72),
                (0.0, -0.92),
                (0.6, -0.72),
                (0.9, -0.32),
                (0.98, 0.12),
            ),
            "main",
        ),
        _disc(-0.48, -0.28, 0.15, "sail"),
        _disc(0.06, -0.58, 0.17, "sail"),
        _disc(0.52, -0.22, 0.14, "sail"),
        _disc(0.02, -0.08, 0.11, "sail"),
    )


SHAPES: Mapping[str, tuple[Part, ...]] = {
    "train": _train(),
    "cat": _cat(),
    "house": _house(),
    "tree": _tree(),
    "boat": _boat(),
    "car": _car(),
    "bird": _bird(),
    "flower": _flower(),
    "fish": _fish(),
    "rocket": _rocket(),
    "castle": _castle(),
    "mushroom": _mushroom(),
}
"""Subject -> its parts, painted in order."""
