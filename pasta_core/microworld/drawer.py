"""The procedural drawer: one 64x64 picture of a scene from a seed, every attribute plainly visible.

What a caption does not say varies by itself: warmth, brightness, contrast, the amount of detail, the
subject's place, and which side the light is on. Planted raters have tastes over these too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from pasta_core.domain import Pixels
from pasta_core.microworld.backdrops import CANVAS, overlay_weather, paint_backdrop
from pasta_core.microworld.grammar import Scene
from pasta_core.microworld.styles import SIDE, apply_style
from pasta_core.microworld.subjects import SHAPES

__all__ = ["SIDE", "draw"]

Colour = tuple[int, int, int]

PAINTS: Mapping[str, Colour] = {
    "red": (218, 30, 40),
    "orange": (250, 128, 16),
    "yellow": (252, 218, 36),
    "green": (36, 168, 60),
    "teal": (16, 184, 176),
    "blue": (30, 80, 226),
    "purple": (132, 44, 184),
    "pink": (255, 122, 192),
    "white": (250, 250, 250),
    "black": (24, 24, 30),
}
TONES: Mapping[str, Colour] = {
    "glass": (196, 230, 248),
    "wheel": (44, 42, 50),
    "metal": (196, 198, 204),
    "wood": (124, 82, 48),
    "leaf": (50, 132, 56),
    "sail": (250, 244, 226),
    "lamp": (255, 226, 96),
    "flame": (255, 168, 40),
    "beak": (250, 160, 30),
    "eye": (250, 250, 236),
    "pupil": (20, 20, 24),
}
GLOW: Mapping[str, float] = {"night": 0.86, "aurora": 0.88, "storm": 0.9, "rain": 0.95}
"""Light -> how much the subject darkens; little, so that its colour shows."""

HALF_SIZE: Mapping[str, float] = {"close-up": 50.0, "full view": 33.0, "wide shot": 21.0}
"""View -> half the subject's width on the canvas, in canvas pixels."""

FOOT: Mapping[str, float] = {"close-up": 122.0, "full view": 114.0, "wide shot": 106.0}
"""View -> where the subject's ground is on the canvas."""


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _tones(colour: str, light: str) -> dict[str, Colour]:
    paint = PAINTS[colour]
    shade = _mix(paint, (0, 0, 0), 0.3) if colour != "black" else (62, 62, 72)
    if colour == "white":
        shade = (206, 208, 216)
    tones = {**TONES, "main": paint, "dark": shade, "light": _mix(paint, (255, 255, 255), 0.45)}
    glow = GLOW.get(light, 1.0)
    return {name: _mix((0, 0, 0), tone, glow) for name, tone in tones.items()}


def _draw_subject(
    canvas: PillowImage.Image, mask: PillowImage.Image, scene: Scene, rng: random.Random
) -> None:
    half = HALF_SIZE[scene.view] * rng.uniform(0.93, 1.07)
    reach = {"close-up": 5, "full view": 9, "wide shot": 18}[scene.view]
    centre = CANVAS / 2 + rng.uniform(-reach, reach)
    foot = FOOT[scene.view] + rng.uniform(-2, 2)
    flip = rng.choice((-1, 1))
    tones = _tones(scene.colour, scene.light)
    line = (206, 206, 214) if scene.colour == "black" else (26, 22, 26)
    width = {"close-up": 4, "full view": 3, "wide shot": 3}[scene.view]
    pen, stencil = ImageDraw.Draw(canvas), ImageDraw.Draw(mask)
    placed = [
        ([(centre + flip * x * half, foot + (y - 0.95) * half) for x, y in part.points], tones[part.tone])
        for part in SHAPES[scene.subject]
    ]
    for points, _ in placed:
        pen.line([*points, points[0], points[1]], fill=line, width=width + 2, joint="curve")
        stencil.polygon(points, fill=255)
    for points, tone in placed:
        pen.polygon(points, fill=tone)
        pen.line([*points, points[0]], fill=_mix(tone, line, 0.55), width=1)


def draw(scene: Scene, seed: int) -> Pixels:
    """Draw a scene; the same scene and seed give the same (64, 64, 3) picture.

    The seed decides only what captions do not say.
    """
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    detail, side = rng.random(), rng.choice((-1, 1))
    canvas = paint_backdrop(scene.setting, scene.light, rng, detail, side)
    mask = PillowImage.new("L", (CANVAS, CANVAS), 0)
    _draw_subject(canvas, mask, scene, rng)
    if scene.setting != "room":
        canvas = overlay_weather(canvas, scene.light, rng)
    small = canvas.reduce(CANVAS // SIDE)
    pixels = np.asarray(small, np.float32)
    stencil = np.asarray(mask.reduce(CANVAS // SIDE), np.float32) / 255
    styled = apply_style(scene.style, pixels, stencil, noise)
    warmth, brightness, contrast = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1)
    cast = np.array([1 + 0.08 * warmth, 1.0, 1 - 0.1 * warmth], np.float32)
    finished = ((styled - 128) * (1 + 0.14 * contrast) + 128 + 16 * brightness) * cast
    drawn: Pixels = np.clip(finished.round(), 0, 255).astype(np.uint8)
    return drawn
