"""The kitty graphics protocol: a picture is sent once, then shown by cells of ordinary text.

Each cell is the placeholder U+10EEEE with combining characters for its row, its column and the high byte of
the picture's number, whose low byte is the foreground colour. So text that is moved, cut or covered takes its
picture along, and 256 colours are enough (https://sw.kovidgoyal.net/kitty/graphics-protocol, "Unicode
placeholders").
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pasta_tui.terminal.tmux import past_tmux

__all__ = ["LARGEST", "Numbers", "delete", "number", "placeholders", "transmit"]

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096
"""Bytes of base64 in one escape code, by the protocol."""
_DIACRITICS = """
305 30D-30E 310 312 33D-33F 346 34A-34C 350-352 357 35B 363-36F 483-487 592-595 597-599 59C-5A1 5A8-5A9
5AB-5AC 5AF 5C4 610-617 657-65B 65D-65E 6D6-6DC 6DF-6E2 6E4 6E7-6E8 6EB-6EC 730 732-733 735-736 73A 73D
73F-741 743 745 747 749-74A 7EB-7F1 7F3 816-819 81B-823 825-827 829-82D 951 953-954 F82-F83 F86-F87
135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73 1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC
1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC 20E1 20E7 20E9 20F0 2CEF-2CF1 2DE0-2DFF A66F A67C-A67D
A6F0-A6F1 A8E0-A8F1 AAB0 AAB2-AAB3 AAB7-AAB8 AABE-AABF AAC1 FE20-FE26 10A0F 10A38 1D185-1D189 1D1AA-1D1AD
1D242-1D244
"""
"""The numbers 0, 1, 2, ... as combining characters, in ranges: those of Unicode 6.0 that stand above their
letter and that no normalisation touches."""


def _diacritics() -> list[str]:
    ends = [code.partition("-") for code in _DIACRITICS.split()]
    return [chr(code) for low, _, high in ends for code in range(int(low, 16), int(high or low, 16) + 1)]


_NUMBERS = _diacritics()
LARGEST = len(_NUMBERS)
"""The most cells or lines that a picture can have."""


@dataclass
class Numbers:
    """Hands out a number for each picture that one terminal keeps, none twice."""

    following: int = 0

    def take(self) -> int:
        """The id of another picture."""
        taken, self.following = self.following, self.following + 1
        return number(taken)


def number(count: int) -> int:
    """The id of the picture taken as the `count`-th: a low byte of 1-255 and a high one, nothing between."""
    high, low = divmod(count, 255)
    return (high % 256 << 24) + low + 1


def transmit(pixels: npt.NDArray[np.uint8], image: int, cells: int, lines: int, tmux: bool) -> str:
    """Send an RGB picture (height, width, 3), to be placed on so many cells; the terminal answers nothing."""
    height, width = pixels.shape[:2]
    data = base64.standard_b64encode(zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)).decode("ascii")
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    first = f"a=T,U=1,q=2,f=24,o=z,t=d,i={image},s={width},v={height},c={cells},r={lines},"
    codes = (
        f"\x1b_G{first if place == 0 else 'q=2,'}m={int(place + 1 < len(chunks))};{chunk}\x1b\\"
        for place, chunk in enumerate(chunks)
    )
    return "".join(map(past_tmux, codes) if tmux else codes)


def delete(image: int, tmux: bool) -> str:
    """Take a picture out of the terminal's memory."""
    code = f"\x1b_Ga=d,d=I,i={image},q=2\x1b\\"
    return past_tmux(code) if tmux else code


def placeholders(image: int, line: int, first: int, last: int) -> str:
    """The cells `first` to `last` (exclusive) of one line of a picture, colour and all."""
    row, high = _NUMBERS[line], _NUMBERS[image >> 24]
    text = "".join(cell + high for cell in _cells(row)[first:last])
    return f"\x1b[38;5;{image & 0xFF}m{text}\x1b[39m"


@lru_cache(maxsize=LARGEST)
def _cells(row: str) -> list[str]:
    return [_PLACEHOLDER + row + column for column in _NUMBERS]
