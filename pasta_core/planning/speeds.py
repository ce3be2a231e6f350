"""How fast machines compute, from their data sheets: for the times of a turn that was never measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pasta_core.planning.machine import GIB, Machine

__all__ = ["Speed", "cpu_speed", "speed_of"]


@dataclass(frozen=True)
class Speed:
    """What a machine reaches in practice, and whose data sheet it was taken from."""

    tera_flops: float
    """Of matrix products in half precision on a GPU, in single precision on a CPU, 10^12 a second."""
    gigabytes: float
    """Of memory that is read in a second."""
    like: str


_REACHED = 0.4
"""Of the data sheet's FLOPs, by plain diffusers on an A100 (125 of 312) and less on faster cards."""
_READ = 0.6
"""Of the data sheet's bandwidth, by llama.cpp while it writes one text."""
_CORE = 0.025
"""10^12 FLOPs a second of one CPU core in single precision, with 8-wide vector units."""
_CPU_READ = 20.0
"""Gigabytes a second of a desktop's two channels of memory."""

_CARDS: tuple[tuple[str, float, float], ...] = (
    ("B200", 2250, 8000),
    ("H200", 989, 4800),
    ("H100", 989, 3350),
    ("A100", 312, 1555),
    ("L40S", 362, 864),
    ("L40", 181, 864),
    ("A40", 150, 696),
    ("RTX 6000 Ada", 182, 960),
    ("A10", 125, 600),
    ("L4", 121, 300),
    ("T4", 65, 320),
    ("V100", 112, 900),
    ("RTX 5090", 210, 1792),
    ("RTX 5080", 113, 960),
    ("RTX 5070 Ti", 88, 896),
    ("RTX 5070", 62, 672),
    ("RTX 5060 Ti", 47, 448),
    ("RTX 4090", 165, 1008),
    ("RTX 4080", 98, 717),
    ("RTX 4070 Ti", 80, 504),
    ("RTX 4070", 58, 504),
    ("RTX 4060 Ti", 44, 288),
    ("RTX 4060", 30, 272),
    ("RTX 3090", 71, 936),
    ("RTX 3080", 60, 760),
    ("RTX 3070", 41, 448),
    ("RTX 3060 Ti", 32, 448),
    ("RTX 3060", 25, 360),
    ("RTX 2080 Ti", 54, 616),
)
"""Dense tensor FLOPs in half precision with sums in float32 (10^12 a second) and GB/s, rounded."""
_USUAL: tuple[tuple[float, str], ...] = (
    (9, "RTX 4060"),
    (13, "RTX 3060"),
    (17, "RTX 4060 Ti"),
    (25, "RTX 3090"),
    (33, "RTX 5090"),
    (49, "L40S"),
)
"""A usual card of up to so many GiB."""


def speed_of(machine: Machine) -> Speed:
    """The speed of a machine; a GPU that is not known, or imagined, counts as a usual one of its size."""
    if not machine.has_gpu:
        return Speed(_CORE * machine.cores, _CPU_READ, f"{machine.cores} CPU cores")
    known = next((card for card in _CARDS if re.search(rf"\b{card[0]}\b", machine.name)), None)
    if known is None:
        size = machine.gpu_bytes / GIB
        usual = next((name for most, name in _USUAL if size <= most), "A100")
        known = next(card for card in _CARDS if card[0] == usual)
    name, flops, read = known
    return Speed(flops * _REACHED, read * _READ, name)


def cpu_speed(machine: Machine) -> Speed:
    """The speed of its CPU alone."""
    return Speed(_CORE * machine.cores, _CPU_READ, f"{machine.cores} CPU cores")
