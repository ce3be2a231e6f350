"""How well raters who were not trained on are predicted: half of a rater's labels judge the other half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pasta_core.training.em import posterior
from pasta_core.training.embedded_labels import EmbeddedLabels, Rows
from pasta_core.training.label_batches import MOST_LABELS, Pairs, batch_of
from pasta_core.training.single_turn import label_scores, rater_log_likelihoods
from pasta_core.users.likelihood import log_preference
from pasta_core.users.user_model import UserModel

__all__ = ["HeldOut", "measure"]

_RATERS_AT_ONCE = 64


@dataclass(frozen=True)
class HeldOut:
    """What came out; accuracy is no number where no strict pair was judged."""

    accuracy: float
    """Share of strict pairs whose winner the mixture of types gives more than one half."""
    loss: float
    """Mean negative log probability of the judged preferences, in nats."""
    pairs: int
    gamma: torch.Tensor
    """The posteriors (g, K) that judged, from the other half of each rater's labels."""


@torch.no_grad()
def measure(model: UserModel, labels: EmbeddedLabels, device: torch.device) -> HeldOut:
    """Judge every second label of each rater (at most 32 are used) by the posterior from the others."""
    right = judged = 0
    loss, losses = 0.0, 0
    gammas = [torch.zeros(0, model.types)]
    for start in range(0, labels.groups, _RATERS_AT_ONCE):
        groups = np.arange(start, min(start + _RATERS_AT_ONCE, labels.groups))
        known, known_lengths = _every_second(labels, groups, 0)
        asked, asked_lengths = _every_second(labels, groups, 1)
        evidence = batch_of(labels, known, known_lengths, device)
        seen = rater_log_likelihoods(label_scores(model, evidence), evidence, model.config.nu)
        gamma = posterior(model.prior, seen)
        batch = batch_of(labels, asked, asked_lengths, device)
        scores = label_scores(model, batch)
        share = _first_wins(scores.first, scores.second, gamma, batch.pairs)
        label = batch.pairs.label
        strict = label != 0.5
        right += int(((share > 0.5) == (label > 0.5))[strict].sum())
        judged += int(strict.sum())
        loss -= (label * share.log() + (1 - label) * torch.log1p(-share)).clamp_min(-50).sum().item()
        losses += len(label)
        gammas.append(gamma.cpu())
    accuracy = right / judged if judged else float("nan")
    return HeldOut(accuracy, loss / losses if losses else float("nan"), judged, torch.cat(gammas))


def _first_wins(first: torch.Tensor, second: torch.Tensor, gamma: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """The probability (p,) that the first image wins, over the types of its rater."""
    ones = torch.ones(len(first), device=first.device)
    mine = gamma.repeat_interleave(pairs.lengths, 0)
    return (mine * log_preference(first, second, ones).exp()).sum(-1).clamp(1e-7, 1 - 1e-7)


def _every_second(labels: EmbeddedLabels, groups: Rows, phase: int) -> tuple[Rows, Rows]:
    starts = labels.starts[groups]
    ends = np.minimum(labels.starts[groups + 1], starts + MOST_LABELS)
    spans = [np.arange(start + phase, end, 2) for start, end in zip(starts, ends, strict=True)]
    return np.concatenate(spans), np.array([len(span) for span in spans], np.int64)
