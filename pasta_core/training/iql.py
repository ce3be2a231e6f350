"""The losses of the value model (§3.3, E.1), each under its name.

All of them work on flat tensors of one batch: `n` regressed tokens (every token prefix of every prompt) and
`t` transitions (h_t, P_t, r_t, h_{t+1}). `of` (n,) says to which transition a token belongs, `weight` (n,)
what it counts; weights sum to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "IqlLoss",
    "bellman_targets",
    "best_slate_value",
    "expectile_loss",
    "iql_loss",
    "iql_targets",
    "own_rewards_of",
    "regression_loss",
    "returns_of",
    "reward_scale",
    "rewards_of",
]


@dataclass(frozen=True)
class IqlLoss:
    """The two terms of E.1 and what to watch beside them; `total` is what is minimised."""

    td: Tensor
    expectile: Tensor
    positive: float
    """The share of tokens whose q is above their state's v: an alpha-expectile keeps it below one half."""

    @property
    def total(self) -> Tensor:
        """The loss of E.1; both terms count alike."""
        return self.td + self.expectile


def expectile_loss(difference: Tensor, alpha: float) -> Tensor:
    """L_2^alpha(x) = |alpha - 1{x < 0}| x^2, elementwise.

    §3.3 and E.1 print it without the square, and so it would fall without bound as x does; squared, as in the
    work they cite, its minimum over v is the alpha-expectile.
    """
    below = (difference < 0).to(difference.dtype)
    return (alpha - below).abs() * difference.square()


def iql_targets(rewards: Tensor, next_values: Tensor, discount: float = 1.0) -> Tensor:
    """y_t = r_t + stopgrad(v(h_{t+1})) of E.1, all (t,); v(h_{H+1}) is 0 and comes in `next_values` so.

    `next_values` are the trained network's own, not the target network's.
    """
    return rewards + discount * next_values.detach()


def iql_loss(
    q: Tensor,
    q_target: Tensor,
    v: Tensor,
    targets: Tensor,
    of: Tensor,
    weight: Tensor,
    alpha: float,
    credit: Tensor | float = 0.0,
) -> IqlLoss:
    """The token-level objective at the end of E.1.

    `q` and `q_target` (n,) are f(h, p^{1:t'}) by the trained and by the target network, `v` (t,) is v(h_t) by
    the trained one, `targets` (t,). The target network's q enters as a constant, as do the targets.

    `credit` (n,) is by how much a prompt's own column was worth more than the slate's reward; the paper knows
    none and regresses all prompts of a slate to the same target.
    """
    td = weight * (q - targets.detach()[of] - credit).square()
    advantage = q_target.detach() - v[of]
    expectile = weight * expectile_loss(advantage, alpha)
    positive = float((weight * (advantage.detach() > 0)).sum())
    return IqlLoss(td.sum(), expectile.sum(), positive)


def bellman_targets(rewards: Tensor, best_values: Tensor, discount: float = 1.0) -> Tensor:
    """y_t = r_t + max_P q_target(h_{t+1}, P), the objective that E.1 prints first; an ablation.

    `best_values` (t,) come from `best_slate_value` with the target network, 0 after the last turn.
    """
    return rewards + discount * best_values.detach()


def best_slate_value(values: Tensor, categories: Sequence[str], columns: int) -> Tensor:
    """max_P q(h, P) over the slates of `columns` prompts with at most one per category (E.1, E.3).

    `values` (L_C,) are the candidates' f; q(h, P) is their mean over P (§3.2). Candidates of one category
    throughout, as the direct form has them, exclude nobody.
    """
    groups: dict[str, list[int]] = {}
    for index, category in enumerate(categories):
        groups.setdefault(category, []).append(index)
    best = values if len(groups) == 1 else torch.stack([values[group].max() for group in groups.values()])
    return best.topk(min(columns, len(best))).values.mean()


def regression_loss(q: Tensor, v: Tensor, returns: Tensor, of: Tensor, weight: Tensor) -> IqlLoss:
    """Plain regression of q and v to the returns (t,) that followed, without any bootstrap; an ablation."""
    followed = returns.detach()[of]
    advantage = q.detach() - v.detach()[of]
    return IqlLoss(
        (weight * (q - followed).square()).sum(),
        (weight * (v[of] - followed).square()).sum(),
        float((weight * (advantage > 0)).sum()),
    )


def returns_of(rewards: Sequence[float], discount: float = 1.0) -> tuple[float, ...]:
    """G_t = r_t + discount * G_{t+1} for every turn of one trajectory."""
    found: list[float] = []
    for reward in reversed(rewards):
        found.append(reward + discount * (found[-1] if found else 0.0))
    return tuple(reversed(found))


def reward_scale(pairs: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    """Slope and start of the affine map from utilities to rewards, read off pairs; None without two."""
    ordered = sorted(pairs)
    if not ordered or ordered[0][0] == ordered[-1][0]:
        return None
    (low, first), (high, last) = ordered[0], ordered[-1]
    slope = (last - first) / (high - low)
    return slope, first - slope * low


def own_rewards_of(
    utilities: Sequence[Sequence[float] | None], scale: tuple[float, float], sparse: bool
) -> tuple[tuple[float, ...], ...] | None:
    """What each turn would have paid for each of its columns, in the same setting as `rewards_of`.

    None where a utility is not known.
    """
    slope, start = scale
    known = [columns for columns in utilities if columns is not None]
    if len(known) < len(utilities):
        return None
    return tuple(
        tuple(0.0 if sparse and place < len(known) - 1 else slope * one + start for one in columns)
        for place, columns in enumerate(known)
    )


def rewards_of(
    rewards: Sequence[float | None], complete: bool, sparse: bool, scale: float = 1.0
) -> tuple[float, ...] | None:
    """What each turn of a trajectory pays in the sparse or the dense setting (F.1), times `scale`.

    Sparse pays the last turn's reward and nothing before; a trajectory that was abandoned has none, and None
    says that it cannot be used. Dense pays every turn's own, and None where one is unknown.
    """
    if sparse:
        last = rewards[-1] if rewards and complete else None
        return None if last is None else (*(0.0 for _ in rewards[1:]), scale * last)
    known = tuple(scale * reward for reward in rewards if reward is not None)
    return known if known and len(known) == len(rewards) else None
