"""Skies and grounds: the eight lights and the eight settings behind the subject."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import sin

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

__all__ = ["AMBIENT", "CANVAS", "overlay_weather", "paint_backdrop"]

CANVAS = 128
"""Side of the canvas in pixels: twice the picture, for smooth edges."""

Colour = tuple[int, int, int]
FloatArray = npt.NDArray[np.float32]

SKIES: Mapping[str, tuple[Colour, Colour]] = {
    "sunlight": ((60, 150, 245), (190, 228, 255)),
    "sunset": ((140, 45, 110), (255, 165, 60)),
    "night": ((8, 10, 38), (30, 36, 92)),
    "fog": ((205, 208, 212), (228, 230, 232)),
    "rain": ((95, 110, 130), (150, 165, 180)),
    "storm": ((42, 34, 62), (92, 82, 108)),
    "aurora": ((4, 16, 36), (12, 62, 74)),
    "rainbow": ((150, 205, 245), (222, 240, 252)),
}
"""Light -> the sky's colours at the top and at the horizon."""

AMBIENT: Mapping[str, tuple[float, float, float]] = {
    "sunlight": (1.06, 1.04, 0.98),
    "sunset": (1.04, 0.78, 0.66),
    "night": (0.38, 0.42, 0.66),
    "fog": (1.0, 1.0, 1.0),
    "rain": (0.74, 0.8, 0.88),
    "storm": (0.58, 0.54, 0.66),
    "aurora": (0.36, 0.58, 0.58),
    "rainbow": (1.0, 1.0, 1.0),
}
"""Light -> what it multiplies the ground's red, green and blue by."""

RAINBOW: tuple[Colour, ...] = (
    (230, 40, 40),
    (250, 150, 30),
    (250, 230, 50),
    (60, 190, 70),
    (50, 110, 230),
    (140, 60, 190),
)


@lru_cache(maxsize=8)
def _sky(light: str) -> PillowImage.Image:
    top, bottom = (np.array(colour, np.float32) for colour in SKIES[light])
    mix = np.clip(np.linspace(0.0, 1.6, CANVAS, dtype=np.float32), 0, 1)[:, None, None]
    rows = top + (bottom - top) * mix
    return PillowImage.fromarray(np.broadcast_to(rows, (CANVAS, CANVAS, 3)).round().astype(np.uint8).copy())


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Colour) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _clouds(pen: ImageDraw.ImageDraw, rng: random.Random, fill: Colour) -> None:
    for x in range(4, CANVAS, 20):
        _disc(pen, x + rng.randint(-6, 6), rng.randint(0, 8), rng.randint(11, 16), fill)


def _sunlight(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    x, y = 64 + side * 44, 20
    for step in range(8):
        dx, dy = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7))[step]
        pen.line((x + dx * 17, y + dy * 17, x + dx * 25, y + dy * 25), fill=(255, 225, 60), width=4)
    _disc(pen, x, y, 14, (255, 226, 50))


def _sunset(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    pen.rectangle((0, 50, CANVAS, 56), fill=(240, 110, 70))
    _disc(pen, 64 + side * 40, 64, 20, (255, 90, 40))
    pen.rectangle((0, 28, CANVAS, 32), fill=(205, 80, 105))


def _night(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    for _ in range(12):
        x, y = rng.randrange(2, 124), rng.randrange(2, 56)
        pen.rectangle((x, y, x + 2, y + 2), fill=(250, 250, 225))
    x = 64 + side * 44
    _disc(pen, x, 20, 14, (248, 244, 205))
    _disc(pen, x - side * 8, 17, 12, (12, 14, 46))


def _fog(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    _disc(pen, 64 + side * 40, 24, 12, (240, 240, 236))


def _rain(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    _clouds(pen, rng, (70, 82, 100))


def _storm(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    _clouds(pen, rng, (24, 20, 36))
    x = 64 + side * 42
    bolt = ((x + 4, 10), (x - 10, 36), (x, 36), (x - 8, 62), (x + 12, 30), (x + 3, 30), (x + 14, 10))
    pen.polygon(bolt, fill=(255, 240, 90))


def _aurora(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    phase = rng.uniform(0, 6.28)
    for x in range(0, CANVAS, 4):
        y = 16 + 8 * sin(x / 14 + phase)
        pen.rectangle((x, y, x + 3, y + 16), fill=(70, 235, 140))
        pen.rectangle((x, y + 16, x + 3, y + 26), fill=(40, 150, 130))
        pen.rectangle((x, y - 7, x + 3, y), fill=(150, 70, 190))


def _rainbow(pen: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    centre = 64 + side * 8
    for band, colour in enumerate(RAINBOW):
        radius = 62 - band * 4
        pen.arc((centre - radius, 66 - radius, centre + radius, 66 + radius), 180, 360, fill=colour, width=5)


LIGHT_PAINTERS: Mapping[str, Callable[[ImageDraw.ImageDraw, random.Random, int], None]] = {
    "sunlight": _sunlight,
    "sunset": _sunset,
    "night": _night,
    "fog": _fog,
    "rain": _rain,
    "storm": _storm,
    "aurora": _aurora,
    "rainbow": _rainbow,
}


def _fir(pen: ImageDraw.ImageDraw, x: float, base: float, height: float, fill: Colour) -> None:
    pen.rectangle((x - 2, base - 4, x + 2, base + 3), fill=(92, 62, 40))
    for share in (0.0, 0.28, 0.56):
        top = base - height + share * height * 0.8
        half = height * (0.2 + 0.16 * share)
        pen.polygon(((x, top), (x - half, top + height * 0.45), (x + half, top + height * 0.45)), fill=fill)


def _snow(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.ellipse((-50, horizon - 12, 80, horizon + 50), fill=(214, 228, 244))
    pen.ellipse((50, horizon - 8, 190, horizon + 50), fill=(228, 238, 250))
    pen.rectangle((0, horizon + 8, CANVAS, CANVAS), fill=(244, 249, 255))
    x = 64 - side * 48
    for y, radius in ((horizon + 20, 11), (horizon + 5, 8), (horizon - 6, 5)):
        _disc(pen, x, y, radius + 2, (120, 140, 170))
        _disc(pen, x, y, radius, (252, 253, 255))
    pen.rectangle((x - 8, horizon - 12, x + 8, horizon - 9), fill=(40, 40, 60))
    pen.rectangle((x - 5, horizon - 22, x + 5, horizon - 10), fill=(40, 40, 60))
    for _ in range(int(detail * 8)):
        x, y = rng.randrange(0, 128), rng.randrange(horizon + 22, 126)
        pen.ellipse((x, y, x + 12, y + 4), fill=(206, 222, 242))


def _forest(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.rectangle((0, horizon, CANVAS, CANVAS), fill=(74, 84, 42))
    for x in range(2, CANVAS, 14):
        _fir(pen, x + rng.randint(-3, 3), horizon + 6, rng.randint(40, 54), (22, 84, 48))
    for x in (2, 14, 114, 126):
        _fir(pen, x, horizon + 26, 70, (14, 66, 38))
    for _ in range(int(detail * 10)):
        x, y = rng.randrange(0, 128), rng.randrange(horizon + 14, 126)
        pen.polygon(((x, y), (x + 3, y - 9), (x + 6, y)), fill=(46, 108, 44))


def _beach(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.rectangle((0, horizon - 6, CANVAS, CANVAS), fill=(30, 120, 190))
    for row in range(horizon, horizon + 14, 6):
        pen.line((0, row, CANVAS, row), fill=(130, 200, 235), width=2)
    pen.rectangle((0, horizon + 16, CANVAS, CANVAS), fill=(242, 220, 150))
    x = 64 - side * 54
    pen.polygon(
        (
            (x - 3, horizon + 34),
            (x + 3, horizon + 34),
            (x + side * 10 + 2, horizon - 22),
            (x + side * 10 - 2, horizon - 22),
        ),
        fill=(130, 90, 50),
    )
    for dx, dy in ((-18, 4), (-13, -8), (13, -8), (18, 4), (0, -13)):
        top = (x + side * 10, horizon - 22)
        pen.line((*top, top[0] + dx, top[1] + dy), fill=(30, 130, 60), width=5)
    for _ in range(int(detail * 8)):
        px, py = rng.randrange(0, 126), rng.randrange(horizon + 24, 124)
        pen.ellipse((px, py, px + 5, py + 4), fill=(214, 180, 110))


def _desert(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.ellipse((-70, horizon - 16, 84, horizon + 60), fill=(226, 152, 72))
    pen.ellipse((40, horizon - 8, 210, horizon + 60), fill=(240, 172, 92))
    pen.rectangle((0, horizon + 16, CANVAS, CANVAS), fill=(232, 164, 84))
    x = 64 - side * 50
    green = (40, 130, 60)
    pen.rounded_rectangle((x - 5, horizon - 18, x + 5, horizon + 26), 5, fill=green)
    pen.rounded_rectangle((x - 15, horizon - 8, x - 9, horizon + 8), 3, fill=green)
    pen.rectangle((x - 13, horizon + 3, x, horizon + 8), fill=green)
    pen.rounded_rectangle((x + 9, horizon - 12, x + 15, horizon + 4), 3, fill=green)
    pen.rectangle((x, horizon - 1, x + 13, horizon + 4), fill=green)
    for row in range(int(detail * 4)):
        y = horizon + 26 + row * 9
        pen.arc(
            (rng.randint(-20, 20), y, rng.randint(100, 150), y + 14), 200, 340, fill=(204, 132, 60), width=2
        )


def _city(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.rectangle((0, horizon, CANVAS, CANVAS), fill=(88, 88, 96))
    x = -4
    while x < CANVAS:
        width, height = rng.choice((18, 22)), rng.randint(26, 54)
        shade = rng.choice(((96, 100, 118), (120, 118, 128), (78, 84, 104)))
        pen.rectangle((x, horizon + 4 - height, x + width, horizon + 4), fill=shade)
        for wx in range(x + 4, x + width - 3, 7):
            for wy in range(horizon + 9 - height, horizon - 2, 9):
                if rng.random() < 0.45 + 0.5 * detail:
                    pen.rectangle((wx, wy, wx + 3, wy + 4), fill=(255, 226, 120))
        x += width + 2
    pen.rectangle((0, horizon + 4, CANVAS, horizon + 12), fill=(150, 150, 154))
    for x in range(4, CANVAS, 26):
        pen.rectangle((x, 118, x + 13, 122), fill=(240, 240, 240))


def _mountains(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    for x, height, half in ((16, 44, 38), (108, 48, 40), (64, 58, 44)):
        x += rng.randint(-5, 5)
        base, top = horizon + 8, horizon - height + 4
        pen.polygon(((x, top), (x - half, base), (x + half, base)), fill=(104, 108, 128))
        pen.polygon(((x, top), (x + half, base), (x + half // 4, base)), fill=(80, 84, 104))
        cut = 0.32
        pen.polygon(
            (
                (x, top),
                (x - half * cut, top + (base - top) * cut),
                (x, top + (base - top) * 0.22),
                (x + half * cut, top + (base - top) * cut),
            ),
            fill=(246, 248, 252),
        )
    pen.rectangle((0, horizon + 8, CANVAS, CANVAS), fill=(112, 128, 96))
    for _ in range(int(detail * 9)):
        x, y = rng.randrange(0, 122), rng.randrange(horizon + 18, 122)
        pen.ellipse((x, y, x + 8, y + 5), fill=(138, 138, 134))


def _meadow(pen: ImageDraw.ImageDraw, rng: random.Random, horizon: int, side: int, detail: float) -> None:
    pen.ellipse((-40, horizon - 10, 100, horizon + 60), fill=(124, 206, 84))
    pen.rectangle((0, horizon + 4, CANVAS, CANVAS), fill=(96, 192, 66))
    for _ in range(14 + int(detail * 18)):
        x, y = rng.randrange(0, 124), rng.randrange(horizon + 10, 124)
        fill = rng.choice(((255, 240, 90), (255, 250, 250), (250, 130, 170)))
        pen.ellipse((x, y, x + 4, y + 4), fill=fill)


LAND_PAINTERS: Mapping[str, Callable[[ImageDraw.ImageDraw, random.Random, int, int, float], None]] = {
    "snow": _snow,
    "forest": _forest,
    "beach": _beach,
    "desert": _desert,
    "city": _city,
    "mountains": _mountains,
    "meadow": _meadow,
}


def _multiply(image: PillowImage.Image, factors: tuple[float, float, float]) -> PillowImage.Image:
    table = [min(255, round(level * factor)) for factor in factors for level in range(256)]
    return image.point(table)


def _land(setting: str, light: str, rng: random.Random, detail: float, side: int) -> PillowImage.Image:
    sky = _sky(light).copy()
    LIGHT_PAINTERS[light](ImageDraw.Draw(sky), rng, side)
    horizon = 70 + rng.randint(-4, 4)
    ground = PillowImage.new("RGB", (CANVAS, CANVAS), (1, 2, 3))
    LAND_PAINTERS[setting](ImageDraw.Draw(ground), rng, horizon, side, detail)
    empty = np.all(np.asarray(ground) == (1, 2, 3), axis=-1)
    mask = PillowImage.fromarray(np.where(empty, 0, 255).astype(np.uint8))
    sky.paste(_multiply(ground, AMBIENT[light]), mask=mask)
    return sky


def _room(light: str, rng: random.Random, detail: float, side: int) -> PillowImage.Image:
    """The light is seen through a wide window; what falls from the sky stays outside."""
    view = _sky(light).copy()
    LIGHT_PAINTERS[light](ImageDraw.Draw(view), rng, side)
    view = overlay_weather(view, light, rng)
    wall = PillowImage.new("RGB", (CANVAS, CANVAS), (216, 178, 140))
    pen = ImageDraw.Draw(wall)
    pen.rectangle((0, 90, CANVAS, CANVAS), fill=(150, 92, 54))
    for x in range(rng.randint(0, 6), CANVAS, 22):
        pen.line((64 + (x - 64) * 0.8, 90, 64 + (x - 64) * 1.3, CANVAS), fill=(112, 66, 38), width=2)
    pen.rectangle((0, 86, CANVAS, 90), fill=(240, 226, 206))
    for x in range(10, CANVAS, 24):
        if detail > 0.4:
            pen.line((x, 0, x, 86), fill=(200, 158, 120), width=2)
    wall = _multiply(wall, tuple(0.45 + 0.55 * value for value in AMBIENT[light]))  # type: ignore[arg-type]
    pen = ImageDraw.Draw(wall)
    pen.rectangle((4, 2, 123, 71), fill=(246, 240, 228))
    pane = view.crop((0, 0, 128, 72)).resize((112, 62))
    wall.paste(pane, (8, 6))
    pen.rectangle((62, 2, 66, 71), fill=(246, 240, 228))
    return wall


def overlay_weather(image: PillowImage.Image, light: str, rng: random.Random) -> PillowImage.Image:
    """Rain streaks and banks of fog lie over everything that is out of doors."""
    if light == "rain":
        pen = ImageDraw.Draw(image)
        for x in range(-10, 150, 16):
            for y in range(rng.randint(0, 16), 128, 34):
                x2 = x + rng.randint(-3, 3)
                pen.line((x2, y, x2 - 5, y + 15), fill=(198, 216, 238), width=2)
    if light == "fog":
        pixels = np.asarray(image, np.float32)
        phase = rng.uniform(0, 6.28)
        rows = np.arange(image.height, dtype=np.float32)
        weight = (0.42 + 0.14 * np.sin(rows / 9 + phase))[:, None, None]
        mixed = pixels + (np.float32(224) - pixels) * weight
        return PillowImage.fromarray(mixed.round().astype(np.uint8))
    return image


def paint_backdrop(
    setting: str, light: str, rng: random.Random, detail: float, side: int
) -> PillowImage.Image:
    """Paint sky and ground, CANVAS x CANVAS, without the weather in front; the light is at `side` (-1 or 1).

    `detail` in [0, 1] says how many small things lie about.
    """
    if setting == "room":
        return _room(light, rng, detail, side)
    return _land(setting, light, rng, detail, side)
