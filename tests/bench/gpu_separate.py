"""The value model's loss with a sequence for every shown prompt: what packing is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from pasta_core.agent.value_model import ValueNetwork
from pasta_core.training.em_state import EmState
from pasta_core.training.iql import iql_loss, iql_targets
from pasta_core.training.value_batches import ValueExample


@dataclass(frozen=True)
class _Row:
    """A history and a prompt that was shown after it."""

    tokens: tuple[int, ...]
    at: int
    """Where the prompt begins; the history's value is read at the token before."""
    example: int
    weight: float


class Separate:
    """IQL (E.1) on rows of transformers' own kind: padded sequences under an attention mask.

    Turns are taken from the last to the first, so that v of the next history is known from the rows of the
    turn before; nothing is computed for it alone.
    """

    def __init__(
        self,
        state: EmState[ValueNetwork],
        examples: Sequence[ValueExample],
        tokens: int,
        alpha: float,
        precision: AbstractContextManager[object],
    ) -> None:
        self._state = state
        self._examples = examples
        self._tokens = tokens
        self._alpha = alpha
        self._precision = precision

    def __call__(self) -> float:
        """Call backward on every part; returns the whole loss."""
        device = self._state.live.device
        following = torch.zeros(len(self._examples), device=device)
        total = torch.zeros((), device=device)
        for turn in range(len(self._examples[0].rewards) - 1, -1, -1):
            before = torch.zeros_like(following)
            for part in _parts(self._rows(turn), self._tokens):
                loss, v = self._loss(part, turn, following)
                loss.backward()
                total += loss.detach()
                before[[row.example for row in part]] = v.detach()
            following = before
        return float(total)

    def _rows(self, turn: int) -> list[_Row]:
        transitions = sum(len(one.rewards) for one in self._examples)
        return [
            _Row(
                one.tree.trunk[: branch.at] + branch.tokens,
                branch.at,
                number,
                1 / (transitions * one.columns * len(branch.tokens)),
            )
            for number, one in enumerate(self._examples)
            for branch, what in zip(one.tree.branches, one.branches, strict=True)
            if what.turn == turn
        ]

    def _loss(self, rows: Sequence[_Row], turn: int, following: Tensor) -> tuple[Tensor, Tensor]:
        """The part's loss and every row's v."""
        device = following.device
        width = max(len(row.tokens) for row in rows)
        tokens = torch.tensor(
            [[*row.tokens, *[0] * (width - len(row.tokens))] for row in rows], device=device
        )
        lengths = torch.tensor([len(row.tokens) for row in rows], device=device)
        starts = torch.tensor([row.at for row in rows], device=device)
        order = torch.arange(width, device=device)
        real = order < lengths[:, None]
        with self._precision:
            values = _values(self._state.live, tokens, real)
            with torch.no_grad():
                behind = _values(self._state.target, tokens, real)
        of, place = torch.nonzero(real & (order >= starts[:, None]), as_tuple=True)
        examples = [row.example for row in rows]
        rewards = torch.tensor([self._examples[one].rewards[turn] for one in examples], device=device)
        v = values[torch.arange(len(rows), device=device), starts - 1]
        loss = iql_loss(
            values[of, place],
            behind[of, place],
            v,
            iql_targets(rewards, following[examples]),
            of,
            torch.tensor([row.weight for row in rows], device=device)[of],
            self._alpha,
        )
        return loss.total, v


def _values(network: ValueNetwork, tokens: Tensor, real: Tensor) -> Tensor:
    """The value at every token: transformers' forward pass, and one logit of it."""
    model = network.language_model
    hidden = model.model(input_ids=tokens, attention_mask=real.long(), use_cache=False).last_hidden_state
    values: Tensor = (hidden.float() * model.lm_head.weight[network.logit].float()).sum(-1)
    return values


def _parts(rows: Sequence[_Row], tokens: int) -> Iterator[list[_Row]]:
    """Rows of like length together, at most so many tokens a part, padding included."""
    left = sorted(rows, key=lambda row: len(row.tokens), reverse=True)
    while left:
        count = max(1, tokens // len(left[0].tokens))
        yield left[:count]
        left = left[count:]
