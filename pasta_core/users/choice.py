"""The temperature of a choice (Eq. 4): how decided a user is, judged by the utilities of the columns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ChoiceTemperature", "at_column", "log_choice_probabilities"]

FLOOR = 1e-3
"""The smallest temperature: at 0 the preferred column would be no likelier than the others (Assumption 2)."""


class ChoiceTemperature(nn.Module):
    """tau_theta = h_theta(R_1, ..., R_L) of Eq. 4, positive whatever its weights are (Assumption 2).

    It multiplies the utilities. It sees them sorted and with their mean taken off, so that no position is
    preferred and nothing changes where all utilities grow alike. It begins at 1 for every slate.
    """

    def __init__(self, columns: int, hidden: int) -> None:
        super().__init__()
        self.columns = columns
        self.first = nn.Linear(columns, hidden)
        self.last = nn.Linear(hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, math.log(math.expm1(1 - FLOOR)))

    def forward(self, utilities: Tensor) -> Tensor:
        """The temperatures (...) of slates with utilities (..., L), for any L."""
        ordered = utilities.sort(-1).values
        ordered = ordered - ordered.mean(-1, keepdim=True)
        hidden = torch.tanh(self.first(_at_width(ordered, self.columns)))
        temperature: Tensor = F.softplus(self.last(hidden)).squeeze(-1) + FLOOR
        return temperature


def log_choice_probabilities(utilities: Tensor, temperature: Tensor) -> Tensor:
    """log C_theta of Eq. 4: utilities (..., L) and temperatures (...) to log probabilities (..., L)."""
    return (temperature.unsqueeze(-1) * utilities).log_softmax(-1)


def at_column(values: Tensor, column: Tensor) -> Tensor:
    """Each turn's own column (n,) of utilities or log probabilities (n, K, L): (n, K)."""
    rows = column.view(-1, 1, 1).expand(-1, values.shape[1], 1)
    return values.gather(-1, rows).squeeze(-1)


def _at_width(ordered: Tensor, columns: int) -> Tensor:
    """The sorted values read off at `columns` even places: a slate of another size looks like one of ours."""
    size = ordered.shape[-1]
    if size == columns:
        return ordered
    place = torch.linspace(0, size - 1, columns, device=ordered.device, dtype=ordered.dtype)
    below = place.floor().long()
    above = (below + 1).clamp(max=size - 1)
    return torch.lerp(ordered[..., below], ordered[..., above], place - below)
