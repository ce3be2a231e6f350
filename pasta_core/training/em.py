"""Expectation over user types (§5.3, D.1): posteriors of raters, the prior, and whether types are dying."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pasta_core.training.devices import ONE_DEVICE, Devices

__all__ = ["TypesReport", "entropy_sum", "group_sums", "moved_prior", "posterior", "types_report"]

_DEAD_SHARE = 0.1
"""A type whose share is below this part of 1/K is dead: it explains nobody and learns nothing any more."""


def group_sums(values: Tensor, lengths: Tensor) -> Tensor:
    """Sums (g, K) of consecutive rows of `values` (n, K), `lengths` (g,) rows each; 0 rows sum to 0."""
    return torch.segment_reduce(values, "sum", lengths=lengths, axis=0, initial=0.0, unsafe=True)


def posterior(prior: Tensor, log_likelihood: Tensor) -> Tensor:
    """gamma of the E-step (Algorithm 1, line 5): eta (K,), summed log likelihoods (g, K) of g raters.

    The product over a rater's labels is a sum here, so that hundreds of labels cannot underflow.
    """
    return (prior.log() + log_likelihood).softmax(-1)


def entropy_sum(gamma: Tensor) -> Tensor:
    """The entropies in nats of posteriors (g, K), summed, and g: (2,). Their ratio is log K at the start."""
    total = torch.special.entr(gamma).sum()
    return torch.stack([total, torch.full_like(total, len(gamma))])


def moved_prior(
    prior: Tensor, gamma: Tensor, weight: Tensor, alpha: float, devices: Devices = ONE_DEVICE
) -> Tensor:
    """eta <- alpha eta + (1 - alpha) E[gamma] (Algorithm 1, line 6): the mean over the raters of all devices.

    `gamma` (g, K) and `weight` (g,) are this device's raters, drawn more often where the weight is small.
    """
    weighted = torch.cat([weight.unsqueeze(-1) * gamma, weight.unsqueeze(-1)], -1).sum(0)
    total = devices.mean(weighted)
    return torch.lerp(total[:-1] / total[-1], prior, alpha)


@dataclass(frozen=True)
class TypesReport:
    """How the types share the users."""

    prior_entropy: float
    """Of eta, in nats; log K where all types are as frequent."""
    alive: int
    """Types with at least a tenth of an equal share."""
    dead: tuple[int, ...]
    """The others."""


def types_report(prior: Tensor) -> TypesReport:
    """Judge a prior (K,)."""
    shares = prior.double().cpu()
    entropy = torch.special.entr(shares).sum().item()
    dead = tuple(torch.nonzero(shares < _DEAD_SHARE / len(shares)).flatten().tolist())
    return TypesReport(min(max(entropy, 0.0), math.log(len(shares))), len(shares) - len(dead), dead)
