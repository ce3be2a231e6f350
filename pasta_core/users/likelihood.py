"""What each kind of label says about a user type: sigma_theta(x, y, k) of App. D, as a logarithm.

Scores, utilities and results have one row a label and one column a type: (n, K).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["log_preference", "log_relevance"]


def log_preference(first: Tensor, second: Tensor, label: Tensor) -> Tensor:
    """log sigma^pref of Eq. 5 (Bradley-Terry): scores (n, K) of two images or utilities of two columns.

    `label` (n,) is 1 where the first is preferred, 0 where the second is, 0.5 for a tie. D.2 prints the loss
    without its logarithm.
    """
    difference = first - second
    share = label.unsqueeze(-1)
    return share * F.logsigmoid(difference) + (1 - share) * F.logsigmoid(-difference)


def log_relevance(mean: Tensor, rating: Tensor, nu: float) -> Tensor:
    """log sigma^rel of Eq. 6 without its constant: means (n, K), ratings (n,) in [0, 1], nu in their unit."""
    return -(mean - rating.unsqueeze(-1)).square() / (2 * nu**2)
