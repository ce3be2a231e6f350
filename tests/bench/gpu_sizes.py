"""How large the GPU benchmark's work is: a session's own sizes, or small ones for a machine without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sizes:
    """Full architectures at a session's sizes, or narrow ones that a CPU computes in seconds."""

    full: bool = True
    dtype: torch.dtype = torch.bfloat16
    """Of everything that is not trained."""
    product: int = 8192
    """Side of the measured matrix product."""
    copied: int = 2 << 30
    """Bytes of the measured copy."""
    pixels: int = 1024
    steps: int = 30
    few_steps: int = 4
    passes: tuple[int, int] = (8, 16)
    """Images in a guided pass of our painter: as in the profile `sdxl`, and another number."""
    few_passes: tuple[int, int] = (16, 8)
    """The same without guidance, as in `turbo`."""
    decoded: int = 16
    history: int = 1000
    """Tokens of the history against which candidates are valued."""
    candidates: tuple[int, int] = (52, 84)
    """Tokens of the shortest and the longest candidate (App. E.2: 62 words on the last turn)."""
    images: int = 64
    """Pictures that CLIP embeds."""
    texts: int = 64
    labels: int = 2048
    """Labels in a step of the user model (Table 1)."""
    dimension: int = 768
    transitions: int = 128
    """Transitions in a step of the value model (Table 3)."""
    turns: int = 5
    tokens: int = 8192
    """Tokens in one pass of that step, padding included."""
    compiled: bool = False
    """Whether painting is measured with compiled code too, which takes minutes to make."""
    rounds: int = 15
    """At most so many measurements of a way."""


SMALL = Sizes(
    full=False,
    dtype=torch.float32,
    product=512,
    copied=16 << 20,
    pixels=64,
    steps=4,
    few_steps=2,
    decoded=4,
    history=200,
    candidates=(8, 14),
    images=8,
    texts=8,
    labels=128,
    dimension=32,
    transitions=12,
    turns=3,
    tokens=2048,
    rounds=3,
)
