"""Many continuations of one growing history in a single forward pass.

A tree is a trunk of tokens (the history) and branches that leave it (the prompts). Its tokens are laid in one
row: the trunk, then every branch. A branch sees the trunk up to where it leaves and itself, never its
neighbours, and its positions go on from there, so that every token's output equals the one it would have in a
sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

__all__ = ["Branch", "Packed", "Tree", "pack"]

_TRUNK = 0
_PADDING = -1


@dataclass(frozen=True, slots=True)
class Branch:
    """Tokens that follow the first `at` tokens of the trunk."""

    at: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk and its branches; token j of branch b lies at `starts[b] + j` of the row."""

    trunk: tuple[int, ...]
    branches: tuple[Branch, ...] = ()

    def __post_init__(self) -> None:
        if not self.trunk or not all(branch.tokens for branch in self.branches):
            raise ValueError("a tree's trunk and branches hold a token at least")
        if not all(1 <= branch.at <= len(self.trunk) for branch in self.branches):
            raise ValueError("a branch leaves its trunk after a token of it")

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each branch begins in the row."""
        lengths = (len(branch.tokens) for branch in self.branches[:-1])
        return tuple(accumulate(lengths, initial=len(self.trunk))) if self.branches else ()

    def __len__(self) -> int:
        return len(self.trunk) + sum(len(branch.tokens) for branch in self.branches)


@dataclass(frozen=True)
class Packed:
    """Rows of trees, padded at their ends; every tensor has shape (rows, width), int64.

    `branch` is 0 on the trunk, b + 1 on branch b and -1 on padding; `at` is how much of the trunk a token
    sees, its own place included on the trunk itself.
    """

    tokens: Tensor
    positions: Tensor
    branch: Tensor
    at: Tensor

    def to(self, device: torch.device | str) -> Packed:
        """The same rows on another device."""
        return Packed(*(part.to(device) for part in (self.tokens, self.positions, self.branch, self.at)))

    def visible(self, window: int | None = None) -> Tensor:
        """What each token attends to, bool (rows, 1, width, width); `window` is that of a sliding layer.

        Every token, padding too, sees itself: a row of a mask without any True becomes NaN in the softmax.
        """
        order = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        query, key = self.branch[:, :, None], self.branch[:, None, :]
        same = (query == key) & (order[:, None] >= order)
        trunk = (key == _TRUNK) & (order < self.at[:, :, None])
        seen = (same | trunk) & (key != _PADDING) & (query != _PADDING)
        if window is not None:
            seen &= self.positions[:, :, None] - self.positions[:, None, :] < window
        return (seen | (order[:, None] == order))[:, None]


def pack(trees: Sequence[Tree], padding: int = 0) -> Packed:
    """Lay trees into rows as wide as the longest; `padding` is any token of the vocabulary."""
    width = max(map(len, trees))
    tokens = torch.full((len(trees), width), padding)
    positions, at = torch.zeros_like(tokens), torch.zeros_like(tokens)
    branch = torch.full_like(tokens, _PADDING)
    for row, tree in enumerate(trees):
        length = len(tree.trunk)
        tokens[row, :length] = torch.tensor(tree.trunk)
        positions[row, :length] = torch.arange(length)
        branch[row, :length] = _TRUNK
        at[row, :length] = torch.arange(1, length + 1)
        for number, (start, part) in enumerate(zip(tree.starts, tree.branches, strict=True), start=1):
            place = slice(start, start + len(part.tokens))
            tokens[row, place] = torch.tensor(part.tokens)
            positions[row, place] = part.at + torch.arange(len(part.tokens))
            branch[row, place] = number
            at[row, place] = part.at
    return Packed(tokens, positions, branch, at)
